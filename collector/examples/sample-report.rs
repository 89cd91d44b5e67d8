//! Writes the reports of a sample site, for people to look at and for tests of readers.
//!
//! `sample-report DIR site|waived|outcomes|passed|hostile`, or `sample-report DIR large|apart NODES IMAGES`

use std::env;
use std::error::Error;
use std::path::Path;

use assay::output::RunFolder;
use assay::report::difference::Baseline;
use assay::report::machines::Machines;
use assay::report::{self, ReportHeader};
use assay_report::SiteReport;

#[path = "../src/report/sample/mod.rs"]
mod sample;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (folder, site) = match arguments.as_slice() {
        [folder, "site"] => (folder, sample::site()),
        [folder, "waived"] => (folder, sample::waived()),
        [folder, "outcomes"] => (folder, sample::every_outcome()),
        [folder, "passed"] => (folder, sample::all_passed()),
        [folder, "hostile"] => (folder, sample::hostile()),
        [folder, "large", nodes, images] => (folder, sample::large(nodes.parse()?, images.parse()?)),
        [folder, "apart", nodes, images] => (folder, sample::apart(nodes.parse()?, images.parse()?)),
        _ => {
            return Err(
                "sample-report DIR site|waived|outcomes|passed|hostile, or DIR large|apart NODES IMAGES"
                    .into(),
            );
        }
    };
    let output = RunFolder::prepare(Path::new(folder))?;
    let SiteReport { run, collector, inputs, nodes, waivers, .. } = site;
    // the site with waivers is compared with a week earlier
    let baseline = waivers.as_ref().map(|_| serde_json::to_vec(&sample::earlier())).transpose()?;
    let baseline = baseline.map(|earlier| Baseline::read(earlier.as_slice())).transpose()?;
    let (accept, machines) = (None, Machines::default());
    let head = ReportHeader { run, collector, inputs, accept, machines, waivers, baseline, selection: None };
    let site = output.write_site(head, nodes)?;
    print!("{}", report::terminal::render(&site, report::terminal::Look { width: 100, colour: true }));
    Ok(())
}
