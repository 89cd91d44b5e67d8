//! The shim: everything is in the library.

fn main() -> std::process::ExitCode {
    assay_agent::main(std::env::args_os())
}
