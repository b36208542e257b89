import PMSystem
import PMWire
import Testing

@testable import PMAdmin

private func wishForm(_ form: Form) -> KeyForm<CoreControl.NewKey> {
  KeyForm(form, KeyField.ofNewKey)
}

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
    let form = wishForm(try Form("\(name)=\(text)".utf8))
    #expect(form.request == nil)
    #expect(form.faults.keys.map(\.name) == [name])
  }

  @Test func numbersAtTheLimitsAreTaken() throws {
    let low = wishForm(try Form("expires_days=1&rate_limit=1".utf8))
    #expect(low.request?.expiresDays == 1 && low.request?.limits[.requests] == .set(1))
    let high = wishForm(try Form("expires_days=36500&rate_limit=1000000000".utf8))
    #expect(high.request?.expiresDays == 36_500)
    #expect(high.request?.limits[.requests] == .set(1_000_000_000))
    let empty = wishForm(try Form("expires_days=&rate_limit=+".utf8))
    #expect(empty.request != nil && empty.request?.expiresDays == nil)
    #expect(empty.request?.limits[.requests] == .clear)
  }

  @Test func descriptionsHaveALimit() throws {
    let fits = wishForm(try Form("description=\(String(repeating: "d", count: 256))".utf8))
    #expect(fits.request != nil)
    let long = wishForm(try Form("description=\(String(repeating: "d", count: 257))".utf8))
    #expect(long.faults.keys.contains(.description))
  }

  @Test func termsOfAKeyAreTypedAsText() throws {
    let typed = wishForm(
      try Form(
        """
        owner=Ada&tags=a,+b&allowed_models=all&allowed_endpoints=chat,embeddings&allowed_networks=\
        none&prompt_cache=off&day_budget_eur=2.50&month_budget_eur=none&tokens_per_minute=
        """.utf8))
    let wish = try #require(typed.request)
    let policy = wish.policy.applied(to: KeyPolicy())
    #expect(policy.owner == "Ada" && policy.tags == ["a", "b"] && !policy.usesPromptCache)
    #expect(policy.models == nil && policy.networks == [])
    #expect(policy.routes == RouteSet([Route.chat, .embeddings]))
    var limits = KeyLimits()
    limits.dayBudget = 2_500_000_000
    #expect(wish.limits.applied(to: KeyLimits()) == limits)
    // Each wrong field is told, not the first alone.
    let wrong = wishForm(
      try Form("allowed_endpoints=images&allowed_networks=home&prompt_cache=maybe&owner=x".utf8))
    #expect(
      Set(wrong.faults.keys)
        == [.term(.endpoints), .term(.networks), .term(.promptCache)])
    #expect(wrong.request == nil && wrong.typed[.term(.owner)] == "x")
  }

  @Test func aFormShowsWhatItWouldTake() throws {
    var limits = KeyLimits()
    (limits.requests, limits.monthBudget) = (9, 1)
    var policy = KeyPolicy()
    (policy.tags, policy.models, policy.usesPromptCache) = (["a", "b"], [], false)
    let key = CoreControl.KeyEntry(
      id: "key_1", description: "d", status: .enabled, isEnabled: true,
      createdAt: WallTime(seconds: 1), expiresAt: WallTime(seconds: 1_900_000_000),
      limits: limits, policy: policy, revokedAt: nil, rotatedFrom: nil, rotatedTo: nil,
      source: "store", isWeak: false, lastUsed: nil)
    let shown = KeyForm<CoreControl.KeyChange>(showing: key, KeyField.ofChange)
    let sent = shown.typed.map { "\($0.key.name)=\($0.value)" }.joined(separator: "&")
    let read = KeyForm<CoreControl.KeyChange>(try Form(sent.utf8), KeyField.ofChange)
    let change = try #require(read.request)
    #expect(change.limits.applied(to: KeyLimits()) == limits)
    #expect(change.policy.applied(to: KeyPolicy()) == policy)
    #expect(change.expiresAt == .set(WallTime(seconds: 1_900_000_000)))
    #expect(change.description == "d")
  }

  @Test func limitsAreSavedTogetherOrNotAtAll() throws {
    let present = CoreControl.LimitSettings(RequestLimits())
    let mixed = LimitsForm(
      try Form("rate_limit_requests=5&rate_limit_window=0".utf8), over: present)
    #expect(mixed.limits == nil && mixed.faults.count == 1)
    let one = LimitsForm(try Form("ip_rate_limit_window=7".utf8), over: present)
    #expect(one.limits?[.addressSeconds] == 7)
    #expect(one.limits?[.globalRequests] == present[.globalRequests])
  }

  @Test func theCookieIsFoundAmongOthers() {
    #expect(Request.cookie(in: "a=b; __Host-admin_session=xyz; c=d") == "xyz")
    #expect(Request.cookie(in: "__Host-admin_session=") == "")
    #expect(Request.cookie(in: "x__Host-admin_session=1; __Host-admin_sessions=2") == nil)
  }
}
