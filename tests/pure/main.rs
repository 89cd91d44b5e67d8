//! Tests that need no other program. notation is asked as well if it is there.

mod audit;
mod bundles;
mod conformance;
mod custody;
mod demo_site;
mod evidence;
mod fuzz;
mod imports;
mod inspect;
mod interop;
mod layouts;
mod pages;
mod parents;
mod tidy;
mod travel;
mod trust;
mod vectors;
mod waivers;
mod walls;
