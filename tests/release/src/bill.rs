//! Writes the bill of materials of a program, in CycloneDX 1.5.

use cyclonedx_bom::external_models::normalized_string::NormalizedString;
use cyclonedx_bom::external_models::uri::Purl;
use cyclonedx_bom::models::component::{Classification, Component, Components};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::prelude::{Bom, SpdxExpression, SpecVersion, Validate as _};

use crate::Result;
use crate::build::Program;
use crate::packages::{Key, Packages, key};

/// The bill as JSON. No time and no serial number are in it: equal programs have equal bills.
pub(crate) fn json(program: &Program, packages: &Packages) -> Result<Vec<u8>> {
    let own = (program.binary.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    let mut subject = None;
    for (name, (package, needs)) in &packages.all {
        let kind = if *name == own { Classification::Application } else { Classification::Library };
        let mut component = Component::new(kind, &name.0, &name.1, Some(reference(name)));
        component.purl = Some(Purl::new("cargo", &name.0, &name.1)?);
        component.licenses = package
            .license
            .as_ref()
            .and_then(|text| SpdxExpression::parse_lax(text.clone()).ok())
            .map(|expression| Licenses(vec![LicenseChoice::Expression(expression)]));
        component.description = package.description.as_deref().map(NormalizedString::new);
        component.hashes = packages.checksums.get(&key(package)).map(|sha256| {
            Hashes(vec![Hash { alg: HashAlgorithm::SHA_256, content: HashValue(sha256.clone()) }])
        });
        let needs = needs.iter().map(reference).collect();
        dependencies.push(Dependency { dependency_ref: reference(name), dependencies: needs });
        if *name == own { subject = Some(component) } else { components.push(component) }
    }
    let bom = Bom {
        serial_number: None,
        metadata: Some(Metadata {
            component: Some(subject.ok_or("the program is no package")?),
            ..Metadata::default()
        }),
        components: Some(Components(components)),
        dependencies: Some(Dependencies(dependencies)),
        ..Bom::default()
    };
    let faults = bom.validate_version(SpecVersion::V1_5);
    if !faults.passed() {
        return Err(format!("{}: the bill of materials is not valid: {faults:?}", program.name()).into());
    }
    let mut json = Vec::new();
    bom.output_as_json_v1_5(&mut json)?;
    json.push(b'\n');
    Ok(json)
}

fn reference((name, version): &Key) -> String {
    format!("pkg:cargo/{name}@{version}")
}
