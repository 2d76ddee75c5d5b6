//! The function `link-click` under the Lambda runtime.

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    runtime::run(link_click::function).await
}
