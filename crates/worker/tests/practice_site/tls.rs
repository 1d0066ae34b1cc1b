//! Certificates are verified, and HTTP/2 is spoken where the server offers it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::Response;
use model::error::RetryClass;
use model::{Job, ParserRef, Verdict};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use worker::{Config, Registry, Worker};

use crate::site::job;

/// A server that speaks HTTP/2 over TLS and nothing else.
struct Secure {
    port: u16,
    pem: String,
    connections: Arc<AtomicU32>,
}

async fn serve(name: &str, expired: bool) -> Secure {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if expired {
        (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2001, 1, 2));
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let private_key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = config.with_single_cert(vec![certificate.der().clone()], private_key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicU32::new(0));
    let (acceptor, counted) = (TlsAcceptor::from(Arc::new(config)), Arc::clone(&connections));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                // A client that does not trust the certificate ends here.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                counted.fetch_add(1, Ordering::SeqCst);
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let response = Response::builder().header("content-type", "text/html").body(()).unwrap();
                    let mut body = respond.send_response(response, false).unwrap();
                    body.send_data(Bytes::from_static(b"<title>secure</title>"), true).unwrap();
                }
            });
        }
    });
    Secure { port, pem: certificate.pem(), connections }
}

impl Secure {
    fn job(&self, path: &str) -> Job {
        job(&format!("https://localhost:{}{path}", self.port), ParserRef::named("page"), None)
    }

    fn trusting(&self) -> Worker {
        Worker::new(&Config { authorities: vec![self.pem.clone()], ..Config::standard() }, Registry::builtin()).unwrap()
    }
}

async fn is_refused(worker: Worker, job: Job) {
    let outcome = worker.process(job).await;
    let Verdict::Failed(error) = outcome.verdict else { panic!("{outcome:?}") };
    assert_eq!((error.code.as_str(), error.retry), ("tls error", RetryClass::Origin), "{error}");
    assert_eq!(outcome.fetch.status, None);
}

#[tokio::test]
async fn pages_are_fetched_over_one_connection_of_http_2() {
    let server = serve("localhost", false).await;
    let worker = server.trusting();
    for path in ["/1", "/2", "/3"] {
        let outcome = worker.process(server.job(path)).await;
        assert!(matches!(outcome.verdict, Verdict::Page(_)), "{outcome:?}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_trouble_of_the_origin() {
    let unknown = serve("localhost", false).await;
    is_refused(Worker::new(&Config::standard(), Registry::builtin()).unwrap(), unknown.job("/")).await;
    let of_another = serve("other.example", false).await;
    is_refused(of_another.trusting(), of_another.job("/")).await;
    let expired = serve("localhost", true).await;
    is_refused(expired.trusting(), expired.job("/")).await;
    assert_eq!(unknown.connections.load(Ordering::SeqCst), 0);
}
