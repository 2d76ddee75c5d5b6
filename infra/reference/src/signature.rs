//! The commands that verify a webhook, with an example to try them on.

use crate::shell::Block;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

/// The key of the example, which signs nothing else.
const KEY: &[u8] = b"an example, and no secret";

/// Returns commands that verify an example of the description, which is signed as Standard Webhooks specifies it.
pub(crate) fn verify(description: &Value) -> Block {
    let example = &description["components"]["messages"]["webhook.PaymentRequestStatusChanged"]["examples"][0];
    let header = |name: &str| example["headers"][name].as_str().unwrap_or_default().to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let body = example["payload"].to_string();
    // An HMAC takes a key of any length.
    let signature = Hmac::<Sha256>::new_from_slice(KEY).map(|mut mac| {
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    });
    let (secret, signature) = (STANDARD.encode(KEY), signature.unwrap_or_default());
    let text = format!(
        r#"# The endpoint's secret, the three headers, and the body as it arrived.
SECRET='whsec_{secret}'
WEBHOOK_ID='{id}'
WEBHOOK_TIMESTAMP='{timestamp}'
WEBHOOK_SIGNATURE='v1,{signature}'
BODY='{body}'

KEY=$(printf %s "${{SECRET#whsec_}}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
EXPECTED=$(printf %s "$WEBHOOK_ID.$WEBHOOK_TIMESTAMP.$BODY" |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$KEY" -binary | base64)
case " $WEBHOOK_SIGNATURE " in
  *" v1,$EXPECTED "*) echo verified ;;
  *) echo forged ;;
esac"#
    );
    Block {
        name: "verify".to_owned(),
        title: "With openssl",
        text,
        prints: "`verified`; with anything changed, `forged`.".to_owned(),
    }
}
