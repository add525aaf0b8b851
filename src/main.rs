//! The `coderctl` program.

fn main() -> std::process::ExitCode {
    let code = coderctl::cli::main(std::env::args_os());
    std::process::ExitCode::from(u8::try_from(code).unwrap_or(1))
}
