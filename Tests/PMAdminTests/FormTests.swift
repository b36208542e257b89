import PMWire
import Testing

@testable import PMAdmin

@Suite struct FormTests {
  @Test func fieldsAreDecoded() throws {
    let form = try Form("a=1+2&b=%C3%BC%26&c&d=100%&e=%zz&=x".utf8)
    #expect(form.text("a") == "1 2")
    #expect(form.text("b") == "ü&")
    #expect(form.text("c") == "")
    #expect(form.text("d") == "100%")
    #expect(form.text("e") == "%zz")
    #expect(form.text("f") == nil)
  }

  @Test func blanksAreTrimmedFromTextOnly() throws {
    let form = try Form("a=%20+x%0D%0A".utf8)
    #expect(form.text("a") == "x")
    #expect(form.bytes("a") == Array("  x\r\n".utf8))
  }

  @Test func aFieldTwiceIsRefused() {
    #expect(throws: Form.Fault.repeatedField) { try Form("a=1&b=2&a=3".utf8) }
  }

  @Test(arguments: [-1, 0, 1])
  func moreFieldsThanTheLimitAreRefused(_ difference: Int) {
    let count = AdminLimits.formFieldsMax + difference
    let text = (0..<count).map { "f\($0)=1" }.joined(separator: "&")
    let isRead = (try? Form(text.utf8)) != nil
    #expect(isRead == (difference <= 0))
  }

  @Test(arguments: ["", ".hidden", "a/b", "a b", "ü", String(repeating: "a", count: 65)])
  func whatIsNoKeyIDIsRefused(_ text: String) {
    #expect(KeyID(text) == nil)
  }

  @Test func keyIDsAreTaken() {
    #expect(KeyID("key_1a2b-C.d")?.text == "key_1a2b-C.d")
    #expect(KeyID(String(repeating: "a", count: 64)) != nil)
  }

  @Test(arguments: [
    ("0", "expires_days"), ("36501", "expires_days"), ("1.5", "expires_days"),
    ("%2B1", "expires_days"),
    ("-1", "rate_limit"), ("0", "rate_limit"), ("1000000001", "rate_limit"), ("ten", "rate_limit"),
    ("99999999999999999999", "rate_limit"),
  ])
  func numbersOutOfRangeAreRefusedBesideTheirField(_ text: String, _ name: String) throws {
    let form = KeyWishForm(try Form("\(name)=\(text)".utf8))
    #expect(form.wish == nil)
    #expect(form.faults.keys.map(\.rawValue) == [name])
  }

  @Test func numbersAtTheLimitsAreTaken() throws {
    let low = KeyWishForm(try Form("expires_days=1&rate_limit=1".utf8))
    #expect(low.wish?.expiresDays == 1 && low.wish?.limits[.requests] == .set(1))
    let high = KeyWishForm(try Form("expires_days=36500&rate_limit=1000000000".utf8))
    #expect(high.wish?.expiresDays == 36_500 && high.wish?.limits[.requests] == .set(1_000_000_000))
    let empty = KeyWishForm(try Form("expires_days=&rate_limit=+".utf8))
    #expect(empty.wish != nil && empty.wish?.expiresDays == nil)
    #expect(empty.wish?.limits[.requests] == .keep)
  }

  @Test func descriptionsHaveALimit() throws {
    let fits = KeyWishForm(try Form("description=\(String(repeating: "d", count: 256))".utf8))
    #expect(fits.wish != nil)
    let long = KeyWishForm(try Form("description=\(String(repeating: "d", count: 257))".utf8))
    #expect(long.faults.keys.contains(.description))
  }

  @Test func limitsAreSavedTogetherOrNotAtAll() throws {
    let present = CoreControl.LimitSettings(RequestLimits())
    let mixed = LimitsForm(
      try Form("rate_limit_requests=5&rate_limit_window=0".utf8), over: present)
    #expect(mixed.limits == nil && mixed.faults.count == 1)
    let one = LimitsForm(try Form("ip_rate_limit_window=7".utf8), over: present)
    #expect(one.limits?.addressSeconds == 7)
    #expect(one.limits?.globalRequests == present.globalRequests)
  }

  @Test func theCookieIsFoundAmongOthers() {
    #expect(Request.cookie(in: "a=b; __Host-admin_session=xyz; c=d") == "xyz")
    #expect(Request.cookie(in: "__Host-admin_session=") == "")
    #expect(Request.cookie(in: "x__Host-admin_session=1; __Host-admin_sessions=2") == nil)
  }
}
