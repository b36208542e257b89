import PMWire
import Testing

@testable import PMEdge

private func target(_ path: String) -> Target { Target(Array(path.utf8).span) }

@Suite struct TargetTests {
  @Test func evidenceHasOnePath() {
    let path = "/.well-known/pmctl-attestation"
    #expect(target(path) == .evidence)
    let others = [path + "/", path + "x", "/" + path, "/.well-known", path.uppercased()]
    for other in others { #expect(target(other) == .unknown(.openAI), "\(other)") }
  }

  @Test func everyRouteIsFoundByItsPathAlone() {
    for route in Route.allCases where !route.hasName {
      let path = route.path.description
      #expect(target(path) == .route(route))
      for other in [
        path + "/", path + "x", path + "/x", "/" + path, path + "%20", path + ";", path + "\u{0}",
        path.uppercased(), String(path.dropFirst()), String(path.dropLast()), "/x" + path,
        "/." + path, "/x/.." + path,
        path.split(separator: "/").map { "/" + $0 }.joined(separator: "/"),
      ] where other != "/v1/models/" {
        #expect(target(other) != .route(route), "\(other)")
      }
    }
  }

  @Test(arguments: [
    "gpt-oss-120b", "a", "A.b_c:d-9", "openai/gpt-oss-120b", "a/b/c", "...", "..a", "a..", ".a",
    "a.",
    String(repeating: "m", count: 128),
  ])
  func modelIDsAreAPartOfThePath(_ id: String) {
    #expect(target("/v1/models/" + id) == .route(.model))
  }

  @Test(arguments: [
    "", "/", ".", "..", "./a", "../a", "a/.", "a/..", "a/./b", "a/../b", "a//b", "//a", "a/",
    "%2e%2e/a",
    "a%2Fb", "a b", "a?b", "a\\b", "a\u{0}", "é", "a;b", "a@b", "a+b", "~a", "a/%2e", "..%2f",
    String(repeating: "m", count: 129),
  ])
  func otherTextIsNoModelID(_ id: String) {
    #expect(target("/v1/models/" + id) == .unknown(.openAI))
  }

  @Test(arguments: [
    "/admin", "/admin/", "/admin/keys", "/admin/keys/key_1", "/admin/a.css", "/admin/...",
    "/admin/.x",
  ])
  func adminPagesArePlainPaths(_ path: String) { #expect(target(path) == .admin) }

  @Test(arguments: [
    "/Admin", "/ADMIN/", "/administrator", "/admin2/x", "/admin//", "/admin//x", "//admin",
    "/admin/.",
    "/admin/..", "/admin/../v1/models", "/admin/x/../../health", "/admin/%2e%2e/x", "/admin/x/",
    "/admin/a b",
    "/admin/a;b", "/admin/a\\b", "/admin\\", "/admin%2f", "/x/admin", "/v1/admin", "/admin/é",
    "/admin/\u{0}",
    "/admin.", "admin", "/./admin",
  ])
  func otherPathsDoNotReachTheAdminPages(_ path: String) {
    #expect(target(path) == .unknown(.openAI))
  }

  @Test(arguments: [
    "/health", "/health/ready",
  ])
  func healthIsExact(_ path: String) {
    #expect(target(path) == (path == "/health" ? .health : .ready))
    for other in [
      path + "/", "/" + path, path.uppercased(), path + "%00", path + "/..", path + "x",
    ] {
      #expect(target(other) == .unknown(.openAI), "\(other)")
    }
  }

  @Test(arguments: [
    "/v1/responses", "/v1/responses/resp_1", "/v1/images/generations", "/v1/audio/speech",
    "/v1/files/x/content",
    "/v1/moderations", "/v1/batches", "/v1/fine_tuning/jobs", "/v1/assistants",
    "/v1/threads/t/runs",
    "/v1/realtime", "/v1/vector_stores", "/v1/uploads", "/v1/evals", "/v1/containers",
    "/v1/conversations",
    "/v1/videos",
  ])
  func knownAPIsAreNamedAsNotOffered(_ path: String) {
    #expect(target(path) == .unsupported(.openAI))
  }

  @Test func theFamilyOfAPathDecidesTheDialect() {
    #expect(target("/v1/messages/count_tokens") == .unsupported(.anthropic))
    #expect(target("/v1/messages/batches/b/results") == .unsupported(.anthropic))
    #expect(target("/v1/messages/") == .unknown(.anthropic))
    #expect(target("/v1/messages/count_tokensx") == .unknown(.anthropic))
    #expect(target("/v1/message") == .unknown(.openAI))
    #expect(target("/v1/responsesx") == .unknown(.openAI))
    #expect(target("/v1/audio/translations") == .unknown(.openAI))
    for path in ["/", "", "*", "/v1", "/v1/", "/v2/models", "/_pm/ready", "/metrics", "/.env"] {
      #expect(target(path) == .unknown(.openAI), "\(path)")
    }
  }

  /// What core answers on its own socket must not be reachable from outside.
  @Test func thePathsBetweenProcessesAreNotServed() {
    #expect(target(CorePath.ready.description) == .unknown(.openAI))
  }
}
