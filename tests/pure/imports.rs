//! Finds circles of files that import each other, through re-exports too. The tests here are of the checker itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

/// A path as it is written out; `crate` is its first part if it leads into the crate itself.
type Name = Vec<String>;

/// The sources of one crate, without tests: its files by their modules.
pub(crate) struct Sources(BTreeMap<Name, Module>);

#[derive(Default)]
struct Module {
    /// The file, from the crate's `src`.
    file: String,
    /// The names that the file defines itself.
    defines: BTreeSet<String>,
    /// What it re-exports, by its name there.
    exports: BTreeMap<String, Name>,
    /// The modules that it re-exports whole.
    globs: Vec<Name>,
    /// Every path in it, imports written out.
    names: BTreeSet<Name>,
}

/// Files that import each other.
pub(crate) struct Circle {
    pub(crate) files: Vec<String>,
    /// Which of them imports what from which, a line each.
    pub(crate) imports: String,
}

impl Circle {
    /// Whether the files lie in one folder.
    pub(crate) fn is_of_one_folder(&self) -> bool {
        let folders: BTreeSet<_> = self.files.iter().map(|file| Path::new(file).parent()).collect();
        folders.len() == 1
    }
}

impl Sources {
    /// Reads the files under a crate's `src`.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(folder, "", &mut files);
        assert!(files.len() > 3, "found {} files in {}", files.len(), folder.display());
        Self::parse(&files)
    }

    fn parse(files: &BTreeMap<String, String>) -> Self {
        let known: BTreeSet<Name> = files.keys().map(|file| module(file)).collect();
        let read = |(file, text): (&String, &String)| {
            let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
            let path = module(file);
            let mut reader =
                Reader { known: &known, path: path.clone(), uses: Vec::new(), named: Vec::new() };
            reader.visit_file(&parsed);
            let found = Module { file: file.clone(), ..reader.module() };
            (path, found)
        };
        Self(files.iter().map(read).collect())
    }

    /// Every path that leads out of the crate, with the file that has it.
    pub(crate) fn outside(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.values().flat_map(|module| {
            let outside = module.names.iter().filter(|name| name[0] != "crate");
            outside.map(|name| (module.file.as_str(), name.join("::")))
        })
    }

    /// The circles of files that import each other.
    pub(crate) fn circles(&self) -> Vec<Circle> {
        let imports: BTreeMap<&Name, BTreeSet<(Name, String)>> =
            self.0.iter().map(|(path, module)| (path, self.imports(path, module))).collect();
        let mut reached: BTreeMap<&Name, BTreeSet<&Name>> = BTreeMap::new();
        for &path in imports.keys() {
            let (mut seen, mut next) = (BTreeSet::new(), vec![path]);
            while let Some(path) = next.pop() {
                let new = imports[path].iter().map(|(to, _)| to).filter(|to| seen.insert(*to));
                next.extend(new);
            }
            reached.insert(path, seen);
        }
        let mutual = |path: &Name| -> Vec<&Name> {
            reached[path].iter().copied().filter(|other| reached[other].contains(path)).collect()
        };
        let circles: BTreeSet<Vec<&Name>> =
            imports.keys().map(|path| mutual(path)).filter(|circle| circle.len() > 1).collect();
        let describe = |circle: Vec<&Name>| {
            let file = |path: &Name| self.0[path].file.clone();
            let mut text = String::new();
            for from in &circle {
                for (to, item) in imports[from].iter().filter(|(to, _)| circle.contains(&to)) {
                    text += &format!("{} -> {}: {item}\n", file(from), file(to));
                }
            }
            Circle { files: circle.iter().map(|path| file(path)).collect(), imports: text }
        };
        circles.into_iter().map(describe).collect()
    }

    /// What a module imports from others: the module that defines it, and its name there.
    fn imports(&self, path: &Name, module: &Module) -> BTreeSet<(Name, String)> {
        let own = module.names.iter().filter(|name| name[0] == "crate");
        own.filter_map(|name| self.definition(&name[1..], 8)).filter(|(to, _)| to != path).collect()
    }

    /// Where that path of the crate is defined. A module that is only named is not yet used.
    fn definition(&self, name: &[String], depth: usize) -> Option<(Name, String)> {
        let length = (0..=name.len()).rev().find(|&length| self.0.contains_key(&name[..length]))?;
        let (path, rest) = name.split_at(length);
        let (item, below) = rest.split_first()?;
        let module = &self.0[path];
        if depth > 0 && !module.defines.contains(item) {
            let within = |export: &Name, rest: &[String]| {
                let name = [&export[1..], rest].concat();
                if export[0] == "crate" { self.definition(&name, depth - 1) } else { None }
            };
            if let Some(export) = module.exports.get(item) {
                return within(export, below);
            }
            let through = module.globs.iter().filter_map(|glob| within(glob, rest));
            if let Some(found) = through.into_iter().find(|(path, item)| self.0[path].defines.contains(item))
            {
                return Some(found);
            }
        }
        Some((path.to_vec(), item.clone()))
    }
}

/// The module of a file.
fn module(file: &str) -> Name {
    let mut path: Name = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    path.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    path
}

fn collect(folder: &Path, within: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "tests" || name == "tests.rs" || name == "main.rs" {
            continue;
        }
        if path.is_dir() {
            collect(&path, &format!("{within}{name}/"), files);
        } else if name.ends_with(".rs") {
            files.insert(format!("{within}{name}"), fs::read_to_string(path).unwrap());
        }
    }
}

/// Reads one file.
struct Reader<'a> {
    known: &'a BTreeSet<Name>,
    path: Name,
    /// What is imported: whether for others too, the name here (none for a glob), and the path as it is written.
    uses: Vec<(bool, Option<String>, Name)>,
    /// Paths as they are written.
    named: Vec<Name>,
}

impl Reader<'_> {
    fn module(self) -> Module {
        let mut module = Module::default();
        for (is_export, here, name) in &self.uses {
            let name = self.written_out(name, 0);
            match here {
                Some(here) if *is_export => drop(module.exports.insert(here.clone(), name.clone())),
                None if *is_export => module.globs.push(name.clone()),
                _ => {}
            }
            module.names.insert(name);
        }
        for name in &self.named {
            // a name alone is a local one, a keyword, or one that was imported
            match name.as_slice() {
                [only] if self.imported(only).is_none() => {
                    module.defines.insert(only.clone());
                }
                _ => drop(module.names.insert(self.written_out(name, 0))),
            }
        }
        module
    }

    fn imported(&self, name: &str) -> Option<&Name> {
        self.uses.iter().find(|(_, here, _)| here.as_deref() == Some(name)).map(|(_, _, path)| path)
    }

    /// A path from the crate's root, or as other crates are named.
    fn written_out(&self, name: &[String], depth: usize) -> Name {
        let (first, rest) = name.split_first().expect("paths have parts");
        let from = |path: &[String], rest: &[String]| [&["crate".to_owned()], path, rest].concat();
        match first.as_str() {
            "crate" => name.to_vec(),
            "self" | "Self" => from(&self.path, rest),
            "super" => {
                let ups = name.iter().take_while(|part| *part == "super").count();
                from(&self.path[..self.path.len().saturating_sub(ups)], &name[ups..])
            }
            _ if depth < 8 && self.imported(first).is_some_and(|path| path[..] != name[..]) => {
                let path = self.imported(first).expect("it was just found");
                self.written_out(&[path, rest].concat(), depth + 1)
            }
            _ if self.known.contains(&[&self.path[..], std::slice::from_ref(first)].concat()) => {
                from(&self.path, name)
            }
            _ => name.to_vec(),
        }
    }

    fn add_use(&mut self, is_export: bool, before: &Name, tree: &UseTree) {
        let with = |part: &syn::Ident| [&before[..], &[part.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_use(is_export, &with(&path.ident), &path.tree),
            UseTree::Name(name) if name.ident == "self" => {
                self.uses.push((is_export, before.last().cloned(), before.clone()));
            }
            UseTree::Name(name) => {
                self.uses.push((is_export, Some(name.ident.to_string()), with(&name.ident)));
            }
            UseTree::Rename(rename) => {
                let name = if rename.ident == "self" { before.clone() } else { with(&rename.ident) };
                self.uses.push((is_export, Some(rename.rename.to_string()), name));
            }
            UseTree::Glob(_) => self.uses.push((is_export, None, before.clone())),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_use(is_export, before, tree));
            }
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    let is_test = |attribute: &Attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
    };
    attributes.iter().any(is_test)
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            Item::Mod(item) => (&item.attrs, None),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Use(item) => (&item.attrs, None),
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            self.named.extend(name.map(|name| vec![name.to_string()]));
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    /// A module that stands in the file is part of it.
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.content.is_some() {
            self.path.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.path.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_export = !matches!(item.vis, Visibility::Inherited);
        self.add_use(is_export, &Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.named.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    /// What a macro is given is not parsed: paths in it are found by their colons.
    fn visit_macro(&mut self, call: &'ast Macro) {
        let text = call.tokens.to_string().replace(" :: ", "::");
        let is_path = |part: char| part.is_alphanumeric() || part == '_' || part == ':';
        let words = text.split(|part: char| !is_path(part)).filter(|word| word.contains("::"));
        self.named.extend(
            words
                .map(|word| word.split("::").map(str::to_owned).collect::<Name>())
                .filter(|name| name.iter().all(|part| !part.is_empty() && !part.contains(':'))),
        );
        visit::visit_macro(self, call);
    }
}

/// A made-up crate.
fn made_up(files: &[(&str, &str)]) -> Sources {
    Sources::parse(&files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect())
}

fn files(circles: &[Circle]) -> Vec<Vec<&str>> {
    circles.iter().map(|circle| circle.files.iter().map(String::as_str).collect()).collect()
}

#[test]
fn a_circle_through_a_re_export_is_found() {
    let sources = made_up(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a/mod.rs", "mod inner; pub(crate) use inner::Inner; pub(crate) use crate::c as other;"),
        ("a/inner.rs", "pub(crate) struct Inner(crate::b::B);"),
        ("b.rs", "use crate::a; pub(crate) struct B; fn f() { println!(\"{:?}\", a::Inner::new()); }"),
        ("c.rs", "use crate::{a::Inner, b::B}; #[cfg(test)] mod tests { use crate::a::other; }"),
    ]);
    let circles = sources.circles();
    assert_eq!(files(&circles), [["a/inner.rs", "b.rs"]]);
    assert!(!circles[0].is_of_one_folder());
    assert_eq!(circles[0].imports, "a/inner.rs -> b.rs: B\nb.rs -> a/inner.rs: Inner\n");
}

#[test]
fn a_module_that_its_children_import_from_is_in_a_circle_with_those_that_it_calls() {
    let sources = made_up(&[
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod one; mod two; pub(crate) struct Error; fn f() { one::go(); two::go() }"),
        ("a/one.rs", "use super::Error; pub(super) fn go() -> Error { Error }"),
        ("a/two.rs", "pub(super) fn go() {}"),
    ]);
    let circles = sources.circles();
    assert_eq!(files(&circles), [["a/mod.rs", "a/one.rs"]]);
    assert!(circles[0].is_of_one_folder());
}

#[test]
fn what_comes_from_other_crates_is_named_in_full() {
    let sources = made_up(&[
        ("lib.rs", "mod a;"),
        (
            "a.rs",
            "use std::{fs, net::{self as network, TcpStream}}; fn f() { fs::read(\"a\"); network::lookup() }",
        ),
        ("b.rs", "//! std::env in words\nfn f() { \"std::io::stdin\"; }"),
        ("c.rs", "use crate::a;"),
    ]);
    let names: Vec<String> = sources.outside().map(|(file, name)| format!("{file} {name}")).collect();
    for name in ["a.rs std::fs::read", "a.rs std::net::lookup", "a.rs std::net::TcpStream"] {
        assert!(names.contains(&name.to_owned()), "{name}: {names:?}");
    }
    assert!(names.iter().all(|name| name.starts_with("a.rs ")), "{names:?}");
}
