//! Who is let in, over what.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

/// An authority of the test's own: its certificate, and a server that it vouches for.
fn authority_and_server() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    (authority.pem(), TlsAcceptor::from(Arc::new(config)))
}

async fn reason(spec: &ServerSpec) -> String {
    match ElasticsearchStore::open(spec).await.unwrap_err() {
        StoreError::Unavailable { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_server_behind_tls_is_reached_with_its_authority_and_the_right_credentials_only() {
    let (authority, tls) = authority_and_server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority).unwrap();
    let allowed = ["Basic bWU6d29yZA==", "ApiKey aWQ6a2V5"];
    let judge = move |request: &gate::Request| match &request.authorization {
        Some(given) if allowed.contains(&given.as_str()) => Verdict::Pass,
        _ => Verdict::Answer(401),
    };
    let gate = Gate::open(services::shared(Server::Elasticsearch), Some(tls), judge).await;
    let url = format!("https://localhost:{}", gate.port);
    let mut spec = Fresh::at(Server::Elasticsearch, &url).0;
    let basic = |password: &str| Some(StoreCredentials::Basic("me".to_owned(), password.to_owned()));

    assert!(reason(&spec).await.contains("UnknownIssuer"), "nobody vouches for it");
    spec.access.authority = Some(file);
    assert_eq!(reason(&spec).await, "it answers with status 401");
    spec.access.credentials = basic("wrong");
    assert_eq!(reason(&spec).await, "it answers with status 401");
    for credentials in [basic("word"), Some(StoreCredentials::ApiKey("aWQ6a2V5".to_owned()))] {
        spec.access.credentials = credentials;
        let store = ElasticsearchStore::open(&spec).await.unwrap();
        save(&store, batch("c", 1, &[page("a", 1, &[item("t", "1", "{}")])])).await;
        assert_eq!(contents(&store).await, ["t/1 {}"]);
    }
}

#[tokio::test]
async fn what_cannot_be_a_store_is_refused_with_the_reason() {
    let nobody = TcpPort::free().await;
    let spec = Fresh::at(Server::Elasticsearch, &format!("http://127.0.0.1:{}", nobody.0)).0;
    assert!(reason(&spec).await.contains("refused"));
    let mut spec = Fresh::on(Server::Elasticsearch).0;
    spec.access.authority = Some("/no/such/file.pem".into());
    let error = ElasticsearchStore::open(&spec).await.unwrap_err().to_string();
    assert!(error.contains("the certificate file /no/such/file.pem cannot be used"), "{error}");
    spec.access.authority = None;
    let error = ElasticsearchStore::open_to_read(&spec).await.unwrap_err();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    let client = Client::new(&spec, HASTY).unwrap();
    client.write(elasticsearch::http::Method::Put, &spec.index, &[], "{}").await.unwrap();
    let error = ElasticsearchStore::open(&spec).await.unwrap_err().to_string();
    assert!(error.contains(&spec.index) && error.contains("cannot be used"), "{error}");
}

struct TcpPort(u16);

impl TcpPort {
    /// A port where nobody listens.
    async fn free() -> TcpPort {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        TcpPort(listener.local_addr().unwrap().port())
    }
}
