import Testing

@testable import PMVerify

@Suite struct PlaceTests {
  @Test(arguments: [
    ("https://ai.example.org", "ai.example.org", 443, "https://ai.example.org"),
    ("HTTPS://Ai.example.org/", "Ai.example.org", 443, "https://Ai.example.org"),
    ("https://10.0.0.7:8443", "10.0.0.7", 8443, "https://10.0.0.7:8443"),
    ("https://[2001:db8::7]:8443/", "2001:db8::7", 8443, "https://[2001:db8::7]:8443"),
    ("https://[::1]", "::1", 443, "https://[::1]"),
  ])
  func anAddressIsHostAndPort(_ text: String, _ host: String, _ port: UInt16, _ shown: String)
    throws
  {
    let url = try #require(ApplianceURL(text))
    #expect(url.place.host == host)
    #expect(url.place.port == port)
    #expect(url.text == shown)
  }

  @Test(arguments: [
    "", "https://", "http://a", "a.example", "https://a/path", "https://a?x", "https://u:p@a",
    "https://a:0", "https://a:65536", "https://a:+1", "https://a:", "https://[::1", "https://[]",
    "https://[127.0.0.1]", "https://[::1]x", "https://::1", "https://a b", "https://a\r\nb",
    "https://ä.example", "https://a//", "https://" + String(repeating: "a", count: 254),
  ])
  func anythingElseIsRefused(_ text: String) {
    #expect(ApplianceURL(text) == nil)
  }

  private func proxy(_ host: String, _ environment: [String: String]) throws -> String? {
    let url = try #require(ApplianceURL("https://\(host)"))
    return try Proxy.place(for: url.place, in: environment)?.hostAndPort
  }

  @Test func theProxyOfTheEnvironmentIsATunnel() throws {
    #expect(try proxy("a.example", [:]) == nil)
    #expect(try proxy("a.example", ["https_proxy": "http://p.example:3128/"]) == "p.example:3128")
    #expect(try proxy("a.example", ["HTTPS_PROXY": "p.example"]) == "p.example:80")
    let both = ["https_proxy": "small:1", "HTTPS_PROXY": "large:2"]
    #expect(try proxy("a.example", both) == "small:1")
    #expect(try proxy("a.example", ["HTTPS_PROXY": ""]) == nil)
  }

  @Test func loopbackAndExemptNamesGoDirectly() throws {
    for host in ["localhost", "127.0.0.1", "[::1]"] {
      #expect(try proxy(host, ["https_proxy": "p:1"]) == nil, "\(host)")
    }
    let environment = ["https_proxy": "p:1", "no_proxy": "other.org, .Example.org,"]
    #expect(try proxy("a.example.org", environment) == nil)
    #expect(try proxy("example.org", environment) == nil)
    #expect(try proxy("badexample.org", environment) == "p:1")
    #expect(try proxy("a.example", ["https_proxy": "p:1", "NO_PROXY": "*"]) == nil)
  }

  @Test(arguments: ["https://p:1", "http://user:word@p:1", "socks5://p", "p:port"])
  func aProxyOfAnotherKindIsAFault(_ text: String) {
    #expect(throws: Proxy.Fault.notUnderstood) { try proxy("a.example", ["https_proxy": text]) }
  }
}
