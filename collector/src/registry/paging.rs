//! Reads the `Link` header of a listing, which names its next page. RFC 8288; distribution specification, "Listing Referrers".

use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};

/// The next page, as the header gives it, joined to the URL of this one; none if this is the last.
pub(super) fn next(headers: &HeaderMap, this: &Url) -> Option<Result<Url, &'static str>> {
    let targets = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let target =
        targets.flat_map(links).find(|(_, parameters)| is_next(parameters)).map(|(target, _)| target)?;
    Some(match this.join(target) {
        Ok(next) if next.origin() == this.origin() => Ok(next),
        Ok(_) => Err("lead to another server"),
        Err(_) => Err("lead nowhere"),
    })
}

/// The links of one header: target and parameters. A comma may stand inside a target.
fn links(value: &str) -> Vec<(&str, &str)> {
    let mut links = Vec::new();
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((target, after)) = after.split_once('>') else { break };
        let (parameters, following) = after.split_once(",").unwrap_or((after, ""));
        links.push((target, parameters));
        rest = following;
    }
    links
}

fn is_next(parameters: &str) -> bool {
    parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("rel")
            && value.trim().trim_matches('"').split_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_of(value: &str) -> Option<Result<String, &'static str>> {
        let this = Url::parse("https://r.example:5000/v2/app/referrers/sha256:ab?n=2").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(LINK, value.parse().unwrap());
        next(&headers, &this).map(|next| next.map(|url| url.to_string()))
    }

    #[test]
    fn links_are_joined_and_stay_on_the_server() {
        let page = "https://r.example:5000/v2/app/referrers/sha256:ab?n=2&last=x,y";
        for value in [
            "</v2/app/referrers/sha256:ab?n=2&last=x,y>; rel=\"next\"",
            "<?n=2&last=x,y>; rel=next",
            "</first>; rel=\"first\", </v2/app/referrers/sha256:ab?n=2&last=x,y>; rel=\"other next\"",
        ] {
            assert_eq!(next_of(value), Some(Ok(page.to_owned())), "{value}");
        }
        for value in ["</x>; rel=\"prev\"", "<x", "nothing", ""] {
            assert_eq!(next_of(value), None, "{value}");
        }
        for value in ["<https://evil.example/x>; rel=next", "<http://r.example:5000/x>; rel=next"] {
            assert!(matches!(next_of(value), Some(Err(_))), "{value}");
        }
    }
}
