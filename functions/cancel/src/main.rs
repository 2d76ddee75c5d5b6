//! The function `cancel` under the Lambda runtime.

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    runtime::run(cancel::function).await
}
