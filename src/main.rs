//! The binary: server, command line and worker in one.

fn main() -> std::process::ExitCode {
    conducto::cli::main()
}
