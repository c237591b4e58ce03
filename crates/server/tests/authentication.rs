//! Who is let in, and in which words everybody else is turned away.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod support;

use rehost_server::Revision;
use rehost_sms_api::signing::{RequestToSign, body_hash, sign};
use support::{Answer, ControlPlane};

/// A signed `GET` of `path` with what deviates from a right one.
struct Signed<'a> {
    path: &'a str,
    query: &'a str,
    secret_key: &'a str,
    clock_off_seconds: i64,
}

fn now() -> i64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

fn get_signed(plane: &ControlPlane, signed: &Signed<'_>) -> Answer {
    let host = plane.address.to_string();
    let request = RequestToSign {
        method: "GET",
        path: signed.path,
        query: signed.query,
        body_sha256: body_hash(b""),
    };
    let made = sign(
        &request,
        &[("host", &host)],
        &plane.text("access_key"),
        signed.secret_key,
        now() + signed.clock_off_seconds,
    );
    let uri = match signed.query {
        "" => signed.path.to_owned(),
        query => format!("{}?{query}", signed.path),
    };
    let headers = [
        ("Authorization", made.authorization.as_str()),
        ("X-Sdk-Date", &made.date),
    ];
    plane.send("GET", &uri, &headers, b"")
}

#[track_caller]
fn assert_turned_away(answer: &Answer, why: &str) {
    assert_eq!(answer.status, 401, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["error_code"], "APIGW.0301");
    let message = body["error_msg"].as_str().unwrap();
    assert!(message.contains(why), "{message}");
    assert_eq!(body["request_id"].as_str(), answer.header("x-request-id"));
}

#[test]
fn every_way_in_is_guarded() {
    let plane = ControlPlane::start_plain(Revision::default());
    let get = |headers: &[(&str, &str)]| plane.send("GET", "/v3/sources", headers, b"");
    assert_turned_away(&get(&[]), "x-auth-token not found");
    assert_turned_away(&get(&[("X-Auth-Token", "")]), "x-auth-token not found");
    assert_turned_away(&get(&[("X-Auth-Token", "nonsense")]), "decrypt token fail");
    assert_turned_away(
        &get(&[("Authorization", "Bearer x")]),
        "x-auth-token not found",
    );
    let other_scheme = "V11-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=00";
    assert_turned_away(
        &get(&[("Authorization", other_scheme)]),
        "verify aksk signature fail",
    );
    let unknown = "SDK-HMAC-SHA256 Access=NOBODY, SignedHeaders=host, Signature=00";
    assert_turned_away(&get(&[("Authorization", unknown)]), "AK not exist");
    assert_eq!(get(&[("X-Auth-Token", &plane.token())]).status, 200);
}

#[test]
fn a_signature_covers_path_and_query_as_sent_and_the_time() {
    let plane = ControlPlane::start_plain(Revision::default());
    let secret_key = plane.text("secret_key");
    let right = Signed {
        path: "/v3/sources",
        query: "",
        secret_key: &secret_key,
        clock_off_seconds: 0,
    };
    assert_eq!(get_signed(&plane, &right).status, 200);
    let query = "name=a%20b%2F%E4%B8%AD~&limit=10";
    assert_eq!(get_signed(&plane, &Signed { query, ..right }).status, 200);
    let unknown_id = get_signed(
        &plane,
        &Signed {
            path: "/v3/sources/x%20y%2Fz",
            ..right
        },
    );
    assert_eq!(
        (unknown_id.status, unknown_id.code()),
        (404, "SMS.7602".into())
    );

    for clock_off_seconds in [14 * 60, -14 * 60] {
        assert_eq!(
            get_signed(
                &plane,
                &Signed {
                    clock_off_seconds,
                    ..right
                }
            )
            .status,
            200
        );
    }
    for clock_off_seconds in [16 * 60, -16 * 60] {
        let answer = get_signed(
            &plane,
            &Signed {
                clock_off_seconds,
                ..right
            },
        );
        assert_turned_away(&answer, "verify aksk signature fail");
    }
}

#[test]
fn five_wrong_signatures_lock_the_key_and_wrong_clocks_do_not() {
    let plane = ControlPlane::start_plain(Revision::default());
    let secret_key = plane.text("secret_key");
    let right = Signed {
        path: "/v3/sources",
        query: "",
        secret_key: &secret_key,
        clock_off_seconds: 0,
    };
    for _ in 0..6 {
        get_signed(
            &plane,
            &Signed {
                clock_off_seconds: 3600,
                ..right
            },
        );
    }
    assert_eq!(get_signed(&plane, &right).status, 200);
    let wrong = Signed {
        secret_key: "guess",
        ..right
    };
    for _ in 0..5 {
        assert_turned_away(&get_signed(&plane, &wrong), "verify aksk signature fail");
    }
    let locked = "AK access failed to reach the limit,forbidden";
    assert_turned_away(&get_signed(&plane, &right), locked);
    // Another way in is not affected.
    let token = plane.token();
    assert_eq!(
        plane
            .send("GET", "/v3/sources", &[("X-Auth-Token", &token)], b"")
            .status,
        200
    );
}

#[test]
fn a_body_that_was_changed_on_the_way_is_refused() {
    let plane = ControlPlane::start_plain(Revision::default());
    let host = plane.address.to_string();
    let body = br#"{"ids":["a"]}"#;
    let request = RequestToSign {
        method: "POST",
        path: "/v3/sources/delete",
        query: "",
        body_sha256: body_hash(body),
    };
    let signed = sign(
        &request,
        &[("host", &host), ("content-type", "application/json")],
        &plane.text("access_key"),
        &plane.text("secret_key"),
        now(),
    );
    let headers = [
        ("Authorization", signed.authorization.as_str()),
        ("X-Sdk-Date", &signed.date),
        ("Content-Type", "application/json"),
    ];
    let send = |body: &[u8]| plane.send("POST", "/v3/sources/delete", &headers, body);
    assert_eq!(send(body).code(), "SMS.7602");
    assert_turned_away(&send(br#"{"ids":["b"]}"#), "verify aksk signature fail");
}

#[test]
fn tokens_are_issued_shown_exchanged_and_revoked() {
    let plane = ControlPlane::start_plain(Revision::default());
    let token = plane.token();
    let both = [
        ("X-Auth-Token", token.as_str()),
        ("X-Subject-Token", token.as_str()),
    ];
    let shown = plane.send("GET", "/v3/auth/tokens", &both, b"");
    assert_eq!(shown.status, 200);
    assert_eq!(shown.json()["token"]["user"]["name"], "administrator");
    assert_eq!(shown.json()["token"]["catalog"][1]["name"], "sms");

    let exchange = format!(
        r#"{{"auth":{{"identity":{{"methods":["token"],"token":{{"id":"{token}"}}}},
           "scope":{{"project":{{"name":"{}"}}}}}}}}"#,
        plane.text("project_name")
    );
    let other = plane.send(
        "POST",
        "/v3/auth/tokens?nocatalog=true",
        &[],
        exchange.as_bytes(),
    );
    assert_eq!(other.status, 201, "{}", other.text());
    assert_eq!(
        other.json()["token"]["project"]["id"],
        plane.login["project_id"]
    );
    assert_eq!(
        other.json()["token"]["catalog"].as_array().unwrap().len(),
        0
    );

    assert_eq!(
        plane.send("DELETE", "/v3/auth/tokens", &both, b"").status,
        204
    );
    let after = plane.send("GET", "/v3/sources", &[("X-Auth-Token", &token)], b"");
    assert_turned_away(&after, "decrypt token fail");
    let other = other.header("x-subject-token").unwrap();
    assert_eq!(
        plane
            .send("GET", "/v3/sources", &[("X-Auth-Token", other)], b"")
            .status,
        200
    );
}

#[test]
fn the_token_route_refuses_in_the_form_of_iam() {
    let plane = ControlPlane::start_plain(Revision::default());
    let (user, domain) = (plane.text("user_name"), plane.text("domain_name"));
    let password = plane.text("password");
    let log_in = |user: &str, password: &str, domain: &str, scope: &str| {
        let body = format!(
            r#"{{"auth":{{"identity":{{"methods":["password"],"password":{{"user":{{"name":"{user}",
               "password":"{password}","domain":{{"name":"{domain}"}}}}}}}},"scope":{scope}}}}}"#
        );
        plane.send("POST", "/v3/auth/tokens", &[], body.as_bytes())
    };
    assert_eq!(log_in(&user, &password, &domain, "null").status, 201);
    for answer in [
        log_in(&user, "wrong", &domain, "null"),
        log_in("nobody", &password, &domain, "null"),
        log_in(&user, &password, "elsewhere", "null"),
        log_in(
            &user,
            &password,
            &domain,
            r#"{"project":{"name":"elsewhere"}}"#,
        ),
        plane.send("GET", "/v3/auth/tokens", &[], b""),
        plane.send("GET", "/v3/auth/tokens", &[("X-Auth-Token", "x")], b""),
    ] {
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert_eq!(answer.json()["error"]["title"], "Unauthorized");
        assert!(answer.header("x-subject-token").is_none());
        assert!(answer.header("x-request-id").is_some());
    }
    for body in [
        "",
        "{",
        "{}",
        r#"{"auth":{"identity":{"methods":["password"]}}}"#,
        "[]",
    ] {
        let answer = plane.send("POST", "/v3/auth/tokens", &[], body.as_bytes());
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert_eq!(answer.json()["error"]["code"], 400);
    }
    for _ in 0..5 {
        log_in(&user, "wrong", &domain, "null");
    }
    let locked = log_in(&user, &password, &domain, "null");
    assert_eq!(locked.status, 401, "the fifth failure locks the user");
}

#[test]
fn the_small_iam_knows_one_domain_and_one_project() {
    let plane = ControlPlane::start_plain(Revision::default());
    let token = plane.token();
    let get = |path: &str| {
        plane
            .send("GET", path, &[("X-Auth-Token", &token)], b"")
            .json()
    };
    let domains = get("/v3/auth/domains");
    assert_eq!(domains["domains"][0]["id"], plane.login["domain_id"]);
    let project = plane.text("project_name");
    let projects = get(&format!("/v3/projects?name={project}"));
    assert_eq!(projects["projects"].as_array().unwrap().len(), 1);
    assert_eq!(projects["projects"][0]["id"], plane.login["project_id"]);
    assert_eq!(
        get("/v3/projects?name=elsewhere")["projects"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    let unknown = plane.send("GET", "/v3/auth/domains", &[], b"");
    assert_eq!(unknown.status, 401);
}
