//! The collector's program; everything is in the library.

fn main() -> std::process::ExitCode {
    assay::main()
}
