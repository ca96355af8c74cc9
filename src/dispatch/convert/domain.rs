//! The two forms of a domain: the label that the job's route tags carry, and the full name that the backend is told.
//!
//! The job template appends the cluster's domain itself, so a full name in the job would end in `sub.cluster.cluster`.

/// The full name: `label.cluster`, or `label` as it is when it ends with the cluster's domain already or there is none.
#[must_use]
pub fn full_domain(label: &str, cluster_domain: Option<&str>) -> String {
    match suffix(cluster_domain) {
        Some(suffix) if !label.is_empty() && !belongs_to(label, &suffix) => {
            format!("{label}.{suffix}")
        }
        _ => label.to_owned(),
    }
}

/// The label without `.cluster`, for the job. A name outside the cluster's domain, or that domain itself, stays as it is.
#[must_use]
pub fn bare_label(answer: &str, cluster_domain: Option<&str>) -> String {
    suffix(cluster_domain)
        .filter(|suffix| belongs_to(answer, suffix) && answer.len() > suffix.len() + 1)
        .and_then(|suffix| answer.get(..answer.len() - suffix.len() - 1))
        .unwrap_or(answer)
        .to_owned()
}

fn suffix(cluster_domain: Option<&str>) -> Option<String> {
    let suffix = cluster_domain?.trim().trim_matches('.');
    (!suffix.is_empty()).then(|| suffix.to_owned())
}

/// Whether `name` is the domain or lies below it; names are compared without regard to case, as in DNS.
fn belongs_to(name: &str, domain: &str) -> bool {
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    name == domain || name.ends_with(&format!(".{domain}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: Option<&str> = Some("cluster.example");

    #[test]
    fn the_cluster_is_appended_once() {
        assert_eq!(full_domain("shop", CLUSTER), "shop.cluster.example");
        assert_eq!(
            full_domain("shop.cluster.example", CLUSTER),
            "shop.cluster.example"
        );
        assert_eq!(
            full_domain("shop.CLUSTER.example", CLUSTER),
            "shop.CLUSTER.example"
        );
    }

    #[test]
    fn a_name_that_merely_ends_alike_is_not_below_the_cluster() {
        assert_eq!(
            full_domain("mycluster.example", CLUSTER),
            "mycluster.example.cluster.example"
        );
        assert_eq!(
            bare_label("mycluster.example", CLUSTER),
            "mycluster.example"
        );
    }

    #[test]
    fn without_a_cluster_nothing_changes() {
        for none in [None, Some(""), Some(" "), Some(".")] {
            assert_eq!(full_domain("shop", none), "shop");
            assert_eq!(
                bare_label("shop.cluster.example", none),
                "shop.cluster.example"
            );
        }
    }

    #[test]
    fn the_label_is_what_stands_before_the_cluster() {
        assert_eq!(bare_label("shop", CLUSTER), "shop");
        assert_eq!(bare_label("shop.cluster.example", CLUSTER), "shop");
        assert_eq!(
            bare_label("a.b.cluster.example", Some(".cluster.example")),
            "a.b"
        );
        assert_eq!(bare_label("cluster.example", CLUSTER), "cluster.example");
        assert_eq!(bare_label(".cluster.example", CLUSTER), ".cluster.example");
    }

    #[test]
    fn both_forms_lead_to_the_same_full_name() {
        for answer in [
            "shop",
            "shop.cluster.example",
            "é.cluster.example",
            "mycluster.example",
        ] {
            assert_eq!(
                full_domain(&bare_label(answer, CLUSTER), CLUSTER),
                full_domain(answer, CLUSTER)
            );
        }
    }
}
