//! The function `webhook-endpoints` under the Lambda runtime.

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    runtime::run(webhook_endpoints::function).await
}
