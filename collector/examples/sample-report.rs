//! Writes the reports of a made-up site, to look at and to test readers with.
//!
//! `sample-report DIR site|outcomes|passed|hostile`, or `sample-report DIR large|apart NODES IMAGES`

use std::env;
use std::error::Error;
use std::path::Path;

use assay::output::Output;
use assay::report::{self, Head};
use assay_shared::report::SiteReport;

#[path = "../src/report/sample.rs"]
mod sample;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (folder, site) = match arguments.as_slice() {
        [folder, "site"] => (folder, sample::site()),
        [folder, "outcomes"] => (folder, sample::every_outcome()),
        [folder, "passed"] => (folder, sample::all_passed()),
        [folder, "hostile"] => (folder, sample::hostile()),
        [folder, "large", nodes, images] => (folder, sample::large(nodes.parse()?, images.parse()?)),
        [folder, "apart", nodes, images] => (folder, sample::apart(nodes.parse()?, images.parse()?)),
        _ => {
            return Err(
                "sample-report DIR site|outcomes|passed|hostile, or DIR large|apart NODES IMAGES".into()
            );
        }
    };
    let output = Output::prepare(Path::new(folder))?;
    let SiteReport { run, collector, inputs, nodes, waivers, .. } = site;
    let site = output
        .write_site(Head { run, collector, inputs, waivers, baseline: None, selection: None }, nodes)?;
    print!("{}", report::terminal::site(&site, report::terminal::Look { width: 100, colour: true }));
    Ok(())
}
