//! Embeds the static files.

use std::path::Path;

fn main() -> Result<(), embed::EmbedError> {
    embed::embed(Path::new("assets"))
}
