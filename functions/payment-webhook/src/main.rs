//! The function `payment-webhook` under the Lambda runtime.

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    runtime::run(payment_webhook::function).await
}
