//! The one place where connections are made, for AWS's SDK and for every other call (decision 0034).

use crate::trust::{Roots, TRUSTED_CERTIFICATES, Trust};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::dns::{ResolveDns as _, SharedDnsResolver};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{
    CaptureConnection, HttpConnector as TcpConnector, HttpInfo, capture_connection,
};
use hyper_util::client::legacy::{Client, Error as HyperError};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use runtime::telemetry::{Metric, count};
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio_rustls::TlsConnector;
use tower_service::Service;

/// How a client connects.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The roots that verify the endpoints.
    pub(crate) roots: Roots,
    /// The timeout of name resolution, connection and TLS together.
    pub(crate) connect_timeout: Duration,
    /// The idle connections that are kept for each endpoint.
    pub(crate) kept: usize,
    /// Whether `https` goes through the proxy that the process's environment names. A proxy may open TLS with a
    /// certificate of its own, so the system's roots are trusted behind it.
    pub(crate) proxies: bool,
    /// What resolves names; the system without it. A number in place of a name is not resolved.
    pub(crate) resolver: Option<SharedDnsResolver>,
    /// Whether a certificate that is not trusted is a matter for the operator, and so for the log and a metric.
    pub(crate) reports_distrust: bool,
}

/// Builds a connector, which the SDK's clients and [`HttpClient`](crate::http_client::HttpClient) take.
pub(crate) fn connector(trust: &Arc<Trust>, settings: Settings) -> SharedHttpConnector {
    // Made when a function starts, while it has a whole processor, and not at its first call. The system's roots take
    // too long for an endpoint that may be called without TLS.
    if settings.roots != Roots::System {
        trust.config(settings.roots);
    }
    let mut tcp = TcpConnector::new_with_resolver(Resolver(settings.resolver));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let opener = Opener {
        tcp,
        trust: trust.clone(),
        roots: settings.roots,
        proxies: settings.proxies.then(|| Arc::new(Matcher::from_env())),
        timeout: settings.connect_timeout,
    };
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(settings.kept)
        .build(opener);
    SharedHttpConnector::new(Connector { client, reports_distrust: settings.reports_distrust })
}

/// A client with its connections.
struct Connector {
    client: Client<Opener, SdkBody>,
    reports_distrust: bool,
}

impl fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let (uri, reports_distrust) = (request.uri().clone(), self.reports_distrust);
        let response = self.client.request(request);
        HttpConnectorFuture::new(async move {
            match response.await {
                Ok(response) => HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                    .map_err(|error| ConnectorError::other(error.into(), None)),
                Err(error) => Err(failure(error, &uri, reports_distrust)),
            }
        })
    }
}

/// Returns what the SDK has to know about a connection: after a temporary failure it does not use it again.
fn metadata(capture: &CaptureConnection) -> Option<ConnectionMetadata> {
    let mut extensions = http::Extensions::new();
    let connected = capture.connection_metadata();
    let connected = connected.as_ref()?;
    connected.get_extras(&mut extensions);
    let info = extensions.get::<HttpInfo>();
    let capture = capture.clone();
    let mut metadata = ConnectionMetadata::builder().proxied(connected.is_proxied()).poison_fn(move || {
        if let Some(connected) = capture.connection_metadata().as_ref() {
            connected.poison();
        }
    });
    metadata.set_local_addr(info.map(HttpInfo::local_addr)).set_remote_addr(info.map(HttpInfo::remote_addr));
    Some(metadata.build())
}

/// Classifies the failure of a call for the SDK, which makes the call again after a timeout or a failure of the
/// connection. A certificate that is not trusted will not be at the next attempt either, so it ends the call, and is
/// logged once for each.
fn failure(error: HyperError, endpoint: &Uri, reports_distrust: bool) -> ConnectorError {
    let distrust = find(&error).is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)));
    let of_hyper = |is: fn(&hyper::Error) -> bool| find(&error).is_some_and(is);
    let (timed_out, is_user) = (find::<Elapsed>(&error).is_some(), of_hyper(hyper::Error::is_user));
    if distrust {
        if reports_distrust {
            report_distrust(&error, endpoint);
        }
        return ConnectorError::other(error.into(), None);
    }
    if is_user {
        ConnectorError::user(error.into())
    } else if timed_out {
        ConnectorError::timeout(error.into())
    } else if of_hyper(hyper::Error::is_parse) {
        // Whatever answered does not speak HTTP, and will not at the next attempt either.
        ConnectorError::other(error.into(), None)
    } else {
        ConnectorError::io(error.into())
    }
}

/// Tells the operator which endpoint showed a certificate that is not trusted. A path may hold a secret, and is left
/// out.
fn report_distrust(error: &HyperError, endpoint: &Uri) {
    count(Metric::EndpointNotTrusted);
    let rejected = find::<rustls::Error>(error);
    let remedy = match rejected {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            format!("; {TRUSTED_CERTIFICATES} names the roots to accept")
        }
        _ => String::new(),
    };
    tracing::error!(
        endpoint = endpoint.host(),
        error = rejected.map(tracing::field::display),
        "endpoint not trusted: its certificate was rejected{remedy}"
    );
}

/// Returns the first error of a type in a chain of causes. An [`io::Error`] leaves the error that it wraps out of its
/// own chain.
pub(crate) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>() {
            Some(wrapping) => wrapping.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

type Tcp = TokioIo<TcpStream>;
/// A connection to an endpoint. The inner one may itself be encrypted, for a proxy that is called over `https`.
type Stream = MaybeHttpsStream<MaybeHttpsStream<Tcp>>;
type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Opens connections.
#[derive(Clone)]
struct Opener {
    tcp: TcpConnector<Resolver>,
    trust: Arc<Trust>,
    roots: Roots,
    proxies: Option<Arc<Matcher>>,
    timeout: Duration,
}

impl Service<Uri> for Opener {
    type Response = Stream;
    type Error = BoxError;
    type Future = Boxed<Stream>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, endpoint: Uri) -> Self::Future {
        let opener = self.clone();
        Box::pin(async move { tokio::time::timeout(opener.timeout, opener.open(endpoint)).await? })
    }
}

impl Opener {
    async fn open(mut self, endpoint: Uri) -> Result<Stream, BoxError> {
        if endpoint.scheme() == Some(&Scheme::HTTP) {
            return Ok(MaybeHttpsStream::Http(MaybeHttpsStream::Http(self.tcp.call(endpoint).await?)));
        }
        if endpoint.scheme() != Some(&Scheme::HTTPS) {
            return Err("the endpoint is neither http nor https".into());
        }
        let host = endpoint.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host)?.to_owned();
        let proxy = self.proxies.as_deref().and_then(|proxies| proxies.intercept(&endpoint));
        let config = self.trust.config(if proxy.is_some() { Roots::System } else { self.roots });
        let stream = match proxy {
            Some(proxy) => self.tunnel(&proxy, endpoint).await?,
            None => MaybeHttpsStream::Http(self.tcp.call(endpoint).await?),
        };
        let encrypted = TlsConnector::from(config).connect(name, TokioIo::new(stream)).await?;
        Ok(MaybeHttpsStream::Https(TokioIo::new(encrypted)))
    }

    /// Opens a connection to the endpoint through a proxy.
    async fn tunnel(&self, proxy: &Intercept, endpoint: Uri) -> Result<MaybeHttpsStream<Tcp>, BoxError> {
        let to_proxy = HttpsConnector::from((self.tcp.clone(), self.trust.config(Roots::System)));
        let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        Ok(tunnel.call(endpoint).await?)
    }
}

/// Resolves names, by the system or by what a client was built with.
#[derive(Debug, Clone)]
struct Resolver(Option<SharedDnsResolver>);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Boxed<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let own = self.0.clone();
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = match own {
                Some(resolver) => {
                    let found = resolver.resolve_dns(name.as_str()).await?;
                    found.into_iter().map(|address| SocketAddr::new(address, 0)).collect()
                }
                None => tokio::net::lookup_host((name.as_str(), 0)).await?.collect(),
            };
            Ok(addresses.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamodb::DynamoDbStore;
    use crate::http_client::{HttpClient, HttpError, is_failure_to_connect};
    use crate::webhooks::WebhooksTable;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use runtime::Environment;
    use runtime::telemetry::LogSettings;
    use rustls::ServerConfig;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use std::io::Write;
    use std::path::PathBuf;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    /// A certificate for `localhost` that nobody but itself has signed, and its key, made for these tests alone.
    const CERTIFICATE: &str = "\
        MIIBYDCCARKgAwIBAgIUHa0ueQIPxbZ0Dl61a6b7sTlEjxcwBQYDK2VwMBsxGTAXBgNVBAMMEGNoYXQycGF5J3MgdGVzdHMwIBcN\
        MjYxMTI2MTgwMzA3WhgPMjEyNjExMDIxODAzMDdaMBsxGTAXBgNVBAMMEGNoYXQycGF5J3MgdGVzdHMwKjAFBgMrZXADIQAsSY8V\
        tQBlG5KzdmaT7RDfu1VXHiU+6wv7jPqWFepdnKNmMGQwHQYDVR0OBBYEFNpH6ygdFzcl2OzIcSl9EKXsE6etMB8GA1UdIwQYMBaA\
        FNpH6ygdFzcl2OzIcSl9EKXsE6etMAwGA1UdEwEB/wQCMAAwFAYDVR0RBA0wC4IJbG9jYWxob3N0MAUGAytlcANBANRE0N1ka6tp\
        1VL97W10seqPPdlAGQe9ZpHLIEBEBRxNDICpZbpw3Ppf5PyCQ820vUSiiRbIxIHMR6JVPy18RQk=";
    const CERTIFICATE_KEY: &str = "MC4CAQAwBQYDK2VwBCIEILk3DOSBj4gYyi2m9ZW6cSnbbxDtD/yiRbNBf9l8SMIw";

    /// A server with that certificate. It answers every request with `{}`.
    struct Server {
        port: u16,
        /// The connections that were opened.
        opened: Arc<AtomicUsize>,
        pem: PemFile,
    }

    /// A file with the server's certificate.
    struct PemFile(PathBuf);

    impl Drop for PemFile {
        fn drop(&mut self) {
            std::fs::remove_file(&self.0).unwrap();
        }
    }

    impl Server {
        async fn start(test: &str) -> Self {
            let pem = PemFile(std::env::temp_dir().join(format!("chat2pay-{test}-{}.pem", std::process::id())));
            let content = format!("-----BEGIN CERTIFICATE-----\n{CERTIFICATE}\n-----END CERTIFICATE-----\n");
            std::fs::write(&pem.0, content).unwrap();
            let key = PrivateKeyDer::try_from(STANDARD.decode(CERTIFICATE_KEY).unwrap()).unwrap();
            let certificate = CertificateDer::from(STANDARD.decode(CERTIFICATE).unwrap());
            let config = ServerConfig::builder().with_no_client_auth();
            let config = config.with_single_cert(vec![certificate], key).unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let (port, opened) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
            let counted = opened.clone();
            tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    counted.fetch_add(1, Ordering::SeqCst);
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move { answer(acceptor, stream).await });
                }
            });
            Self { port, opened, pem }
        }

        fn url(&self) -> String {
            format!("https://localhost:{}", self.port)
        }

        /// Returns the environment of a function whose table is here.
        fn environment(&self) -> Environment {
            Environment::default()
                .with("AWS_REGION", "eu-west-1")
                .with("AWS_ACCESS_KEY_ID", "test")
                .with("AWS_SECRET_ACCESS_KEY", "test")
                .with("AWS_ENDPOINT_URL_DYNAMODB", self.url())
                .with("TABLE_NAME", "chat2pay")
        }

        fn trusted(&self) -> Environment {
            self.environment().with(TRUSTED_CERTIFICATES, self.pem.0.to_str().unwrap())
        }
    }

    async fn answer(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<()> {
        let mut stream = acceptor.accept(stream).await?;
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await? > 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await?;
        }
        Ok(())
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        /// Captures what this thread logs.
        fn capture() -> (Self, tracing::subscriber::DefaultGuard) {
            let log = Self::default();
            let writer = log.clone();
            let settings = LogSettings::new(|name| (name == "RUST_LOG").then(|| "debug".to_owned()));
            (log, tracing::subscriber::set_default(settings.subscriber(move || writer.clone())))
        }

        /// Returns the lines that speak of trust.
        fn of_trust(&self) -> Vec<String> {
            let all = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            all.lines().filter(|line| line.to_lowercase().contains("trust")).map(str::to_owned).collect()
        }
    }

    fn assert_reported_once(log: &Log) {
        let lines = log.of_trust();
        let [metric, line] = &lines[..] else { panic!("{lines:?}") };
        assert!(metric.contains("EndpointNotTrusted"), "{metric}");
        for part in ["ERROR", "localhost", TRUSTED_CERTIFICATES, "UnknownIssuer"] {
            assert!(line.contains(part), "no {part}: {line}");
        }
        assert!(!line.contains("secret"), "{line}");
    }

    #[tokio::test]
    async fn aws_with_another_certificate_is_reported_once_and_not_called_again() {
        let server = Server::start("aws").await;
        let (log, _guard) = Log::capture();
        DynamoDbStore::new(&server.environment()).unwrap().warm().await;
        assert_reported_once(&log);
        assert_eq!(server.opened.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn another_system_with_another_certificate_is_reported_once() {
        let server = Server::start("other").await;
        let (log, _guard) = Log::capture();
        let http = HttpClient::new(&Trust::of(&server.environment()).unwrap());
        let error = http.get(&format!("{}/secret", server.url())).exchange().await.unwrap_err();
        let HttpError::Unavailable(cause) = error else { panic!("{error:?}") };
        assert!(is_failure_to_connect(cause.as_ref()), "{cause:?}");
        assert_reported_once(&log);
    }

    #[tokio::test]
    async fn the_operators_certificates_are_trusted_by_all_clients() {
        let server = Server::start("own").await;
        let (log, _guard) = Log::capture();
        let environment = server.trusted();
        let trust = Trust::of(&environment).unwrap();
        assert!(Arc::ptr_eq(&trust.config(Roots::Amazon), &trust.config(Roots::Public)), "they replace all others");
        let http = HttpClient::new(&trust);
        assert_eq!(http.get(&server.url()).exchange().await.unwrap().body, b"{}");
        DynamoDbStore::new(&environment).unwrap().warm().await;
        assert_eq!(log.of_trust(), Vec::<String>::new());
        assert_eq!(server.opened.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn the_sdk_clients_of_a_function_share_their_connections() {
        let server = Server::start("shared").await;
        let environment = server.trusted().with("WEBHOOKS_TABLE_NAME", "chat2pay-webhooks");
        DynamoDbStore::new(&environment).unwrap().warm().await;
        WebhooksTable::new(&environment).unwrap().warm().await;
        assert_eq!(server.opened.load(Ordering::SeqCst), 1);
    }

    /// A proxy that knows the user `alice` and hands on what it receives.
    async fn proxy() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut near, _) = listener.accept().await.unwrap();
            let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
            while !head.ends_with(b"\r\n\r\n") {
                let read = near.read(&mut buffer).await.unwrap();
                head.extend_from_slice(&buffer[..read]);
            }
            let head = String::from_utf8(head).unwrap();
            assert!(head.contains("Proxy-Authorization: Basic YWxpY2U6cGFzc3dvcmQ="), "{head}");
            let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
            let mut far = TcpStream::connect(target).await.unwrap();
            near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            tokio::io::copy_bidirectional(&mut near, &mut far).await.unwrap();
        });
        port
    }

    #[tokio::test]
    async fn a_proxy_is_asked_for_a_tunnel() {
        let (server, port) = (Server::start("proxy").await, proxy().await);
        let matcher = Matcher::builder().https(format!("http://alice:password@127.0.0.1:{port}")).build();
        let mut tcp = TcpConnector::new_with_resolver(Resolver(None));
        tcp.enforce_http(false);
        let trust = Trust::of(&server.trusted()).unwrap();
        let timeout = Duration::from_secs(5);
        let mut opener = Opener { tcp, trust, roots: Roots::Amazon, proxies: Some(Arc::new(matcher)), timeout };
        assert!(matches!(opener.call(server.url().parse().unwrap()).await.unwrap(), MaybeHttpsStream::Https(_)));
    }

    #[tokio::test]
    async fn a_connection_that_takes_too_long_is_a_timeout() {
        // It accepts connections, and never answers the handshake.
        let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("https://localhost:{}", silent.local_addr().unwrap().port());
        let settings = Settings {
            roots: Roots::Amazon,
            connect_timeout: Duration::from_millis(50),
            kept: 0,
            proxies: false,
            resolver: None,
            reports_distrust: true,
        };
        let connector = connector(&Trust::of(&Environment::default()).unwrap(), settings);
        let error = connector.call(HttpRequest::get(url).unwrap()).await.unwrap_err();
        assert!(error.is_timeout() && is_failure_to_connect(&error), "{error:?}");
    }
}
