//! The function `delivery-report` under the Lambda runtime.

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    runtime::run(delivery_report::function).await
}
