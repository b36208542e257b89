import PMHTTP
import PMSystem
import PMWire
import Synchronization
import Testing

@testable import PMAdmin

@Suite struct SiteTests {
  @Test func withoutAPasswordThePagesAreOff() throws {
    let browser = Browser(try Stage(hasPassword: false))
    for path in ["/admin", "/admin/login", "/admin/usage"] {
      let response = browser.get(path)
      #expect(response.status == .forbidden)
      #expect(
        response.body.hasPrefix(
          "Admin UI disabled. Set ADMIN_PASSWORD environment variable to enable."))
    }
  }

  @Test func withoutASessionEverythingLeadsToTheSignIn() throws {
    let browser = Browser(try Stage())
    for path in ["/admin", "/admin/settings", "/admin/nowhere", "/admin/logout"] {
      let response = browser.get(path)
      #expect(response.status == .found && response.location == "/admin/login")
    }
    let form = try browser.post("/admin/keys/generate", "csrf_token=x")
    #expect(form.location == "/admin/login")
  }

  @Test func theSignInFormIsWhatScriptsLookFor() throws {
    let page = Browser(try Stage()).get("/admin/login")
    #expect(page.status == .ok)
    #expect(page.body.contains("<input type=\"hidden\" name=\"csrf_token\" value=\""))
    #expect(page.body.contains("type=\"password\" name=\"password\""))
    let head = String(decoding: page.bytes(keepAlive: true), as: UTF8.self)
    #expect(head.contains("frame-ancestors 'none'") && !head.contains("unsafe-inline"))
    #expect(head.contains("Cache-Control: no-store"))
  }

  @Test func theRightPasswordOpensThePages() throws {
    var browser = Browser(try Stage())
    let response = try browser.signIn()
    #expect(response.status == .found && response.location == "/admin")
    #expect((browser.cookie?.utf8.count ?? 0) > 20)
    let head = String(decoding: response.bytes(keepAlive: true), as: UTF8.self)
    #expect(head.contains("Set-Cookie: __Host-admin_session="))
    #expect(head.contains("; Path=/; Secure; HttpOnly; SameSite=Strict\r\n"))
    #expect(browser.get("/admin").status == .ok)
  }

  @Test func aWrongPasswordIsSaid() throws {
    var browser = Browser(try Stage())
    let response = try browser.signIn("wrong")
    #expect(response.status == .found)
    #expect(response.location == "/admin/login?error=Invalid+password")
    #expect(response.cookie == nil)
    #expect(browser.get("/admin/login?error=Invalid+password").body.contains("Invalid password"))
    #expect(!browser.get("/admin/login?error=Call+me").body.contains("Call me"))
  }

  @Test func aCookieFromElsewhereIsNone() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    _ = try browser.signIn()
    var thief = Browser(stage, from: "192.0.2.9")
    thief.cookie = browser.cookie
    #expect(thief.get("/admin").location == "/admin/login")
    thief.cookie = ""
    #expect(thief.get("/admin").location == "/admin/login")
  }

  @Test func aSessionEndsAfterADay() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    _ = try browser.signIn()
    stage.pass(seconds: 86_399)
    #expect(browser.get("/admin").status == .ok)
    stage.pass(seconds: 1)
    #expect(browser.get("/admin").location == "/admin/login")
  }

  @Test func afterFiveWrongPasswordsTheRightOneIsLockedOutToo() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    for _ in 0..<5 { _ = try browser.signIn("wrong") }
    let locked = try browser.signIn()
    #expect(locked.status == .tooManyRequests && locked.retryAfterSeconds == 300)
    #expect(locked.body.contains("Too many login attempts. Please try again later."))
    var other = Browser(stage, from: "192.0.2.2")
    #expect(try other.signIn().location == "/admin")
    stage.pass(seconds: 300)
    #expect(try browser.signIn().location == "/admin")
  }

  @Test func postsWithoutATokenCountNothing() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    for _ in 0..<10 {
      let response = try browser.post("/admin/login", "password=wrong")
      #expect(response.status == .forbidden)
      #expect(response.body.contains("Invalid or expired CSRF token"))
    }
    for _ in 0..<10 { #expect(try browser.signIn().location == "/admin") }
  }

  /// 40 at once: what is evaluated is exact, whatever their order.
  @Test func parallelGuessesAreCountedExactly() async throws {
    let stage = try Stage()
    let statuses = try await withThrowingTaskGroup(of: Response.Status.self) { group in
      for _ in 0..<40 {
        group.addTask {
          var browser = Browser(stage)
          return try browser.signIn("wrong").status
        }
      }
      return try await group.reduce(into: [Response.Status]()) { $0.append($1) }
    }
    #expect(statuses.filter { $0 == .found }.count == 5)
    #expect(statuses.filter { $0 == .tooManyRequests }.count == 35)
    let looks = stage.appliance.state.withLock { $0.looks }
    #expect(looks == 5)
  }

  @Test func aFormIsGoodOnce() throws {
    var browser = Browser(try Stage())
    _ = try browser.signIn()
    let token = Browser.token(in: browser.get("/admin"))
    let first = try browser.post("/admin/keys/generate", "csrf_token=\(token)")
    let second = try browser.post("/admin/keys/generate", "csrf_token=\(token)")
    #expect(first.status == .found && second.status == .forbidden)
  }

  @Test func anotherSiteChangesNothing() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    _ = try browser.signIn()
    var request = browser.request("/admin/keys/generate")
    request.method = .post
    request.form = try Form("csrf_token=\(Browser.token(in: browser.get("/admin")))".utf8)
    request.fetchSite = "cross-site"
    #expect(stage.site.answer(request).status == .forbidden)
    request.fetchSite = nil
    request.origin = "https://elsewhere.example"
    #expect(stage.site.answer(request).status == .forbidden)
    var signOut = browser.request("/admin/logout")
    signOut.fetchSite = "cross-site"
    _ = stage.site.answer(signOut)
    #expect(browser.get("/admin").status == .ok)
    request.origin = "https://box.example"
    #expect(stage.site.answer(request).status == .found)
  }

  @Test func aNewKeyIsShownOnce() throws {
    var browser = Browser(try Stage())
    _ = try browser.signIn()
    let made = try browser.send(
      "/admin/keys/generate", "description=n%3C8n&expires_days=30&rate_limit=5")
    let location = try #require(made.location)
    #expect(location == "/admin?show_key=key_0")
    var head = browser.request(location)
    head.method = .head
    #expect(browser.stage.site.answer(head).status == .ok)
    let page = browser.get(location).body
    #expect(page.contains("<code>pm_secret_of_key_0</code>"))
    #expect(page.contains("n&lt;8n") && page.contains("2023-12-14 22:13"))
    #expect(!browser.get(location).body.contains("pm_secret_of"))
  }

  @Test func wrongNumbersAreSaidBesideTheirField() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    _ = try browser.signIn()
    let refused = try browser.send("/admin/keys/generate", "description=mine&expires_days=0")
    #expect(refused.status == .unprocessable)
    #expect(refused.body.contains("A whole number from 1 to 36500."))
    #expect(refused.body.contains("value=\"mine\""))
    #expect(try stage.appliance.keys().isEmpty)
  }

  @Test func keysAreRevokedEnabledLimitedAndDeleted() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    _ = try browser.signIn()
    _ = try browser.send("/admin/keys/generate", "description=a")
    func key() throws -> CoreControl.KeyEntry? { try stage.appliance.keys().first }
    func act(_ verb: String, _ form: String = "") throws -> Response {
      try browser.send("/admin/keys/key_0/\(verb)", form)
    }
    #expect(try act("revoke").location == "/admin")
    #expect(try key()?.isEnabled == false)
    #expect(browser.get("/admin").body.contains(">Revoked<"))
    #expect(try act("enable").location == "/admin")
    #expect(try key()?.isEnabled == true)
    #expect(try act("rate-limit", "rate_limit=9").location == "/admin")
    #expect(try key()?.limits.requests == 9)
    #expect(try act("rate-limit", "rate_limit=0").status == .unprocessable)
    #expect(try key()?.limits.requests == 9)
    #expect(try act("rate-limit", "clear=1").location == "/admin")
    #expect(try key()?.limits.requests == nil)
    #expect(try act("delete").location == "/admin")
    #expect(try key() == nil)
    #expect(browser.get("/admin").body.contains("There are no API keys yet."))
  }

  @Test func aKeyHasAPageThatChangesIt() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    _ = try browser.signIn()
    _ = try browser.send("/admin/keys/generate", "owner=Ada%3Cb&tags=a&allowed_models=m1,m2")
    func key() throws -> CoreControl.KeyEntry? { try stage.appliance.keys().first }
    let page = browser.get("/admin/keys/key_0").body
    #expect(page.contains("value=\"Ada&lt;b\"") && page.contains("value=\"m1, m2\""))
    let path = "/admin/keys/key_0/change"
    #expect(
      try browser.send(path, "allowed_models=&day_budget_eur=1.25").location
        == "/admin/keys/key_0")
    #expect(try key()?.policy.models == nil && key()?.limits.dayBudget == 1_250_000_000)
    #expect(try key()?.policy.owner == "Ada<b")
    let refused = try browser.send(path, "owner=Eve&allowed_networks=10.0.0.0/40")
    #expect(refused.status == .unprocessable && refused.body.contains("10.0.0.0/40"))
    #expect(refused.body.contains("class=\"fault\""))
    #expect(try key()?.policy.owner == "Ada<b")
    #expect(browser.get("/admin/keys/key_9").status == .notFound)
  }

  @Test func whatIsNotThereIsNotFound() throws {
    var browser = Browser(try Stage())
    _ = try browser.signIn()
    #expect(try browser.send("/admin/keys/key_9/revoke", "").status == .notFound)
    #expect(browser.get("/admin/nowhere").status == .notFound)
    let wrong = browser.get("/admin/keys/generate")
    #expect(wrong.status == .methodNotAllowed)
    #expect(wrong.allow?.description == "POST")
    #expect(try browser.post("/admin", "").status == .methodNotAllowed)
  }

  @Test func limitsAreSavedTogetherOrNotAtAll() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    _ = try browser.signIn()
    let saved = try browser.send(
      "/admin/settings/rate-limits", "rate_limit_requests=7&rate_limit_window=8",
      from: "/admin/settings")
    #expect(saved.location == "/admin/settings?success=rate_limits")
    let limits = try stage.appliance.limits()
    #expect(limits[.globalRequests] == 7 && limits[.globalSeconds] == 8)
    let refused = try browser.send(
      "/admin/settings/rate-limits", "rate_limit_requests=1&ip_rate_limit_window=0",
      from: "/admin/settings")
    #expect(refused.status == .unprocessable)
    #expect(try stage.appliance.limits() == limits)
  }

  @Test func aPriceIsAddedAndShown() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    _ = try browser.signIn()
    func add(_ form: String) throws -> Response {
      try browser.send("/admin/settings/prices", form, from: "/admin/settings")
    }
    let added = try add("model=a%3Cb&input=0.43&output=1.7&cached=&valid_from=")
    #expect(added.location == "/admin/settings?success=prices")
    let price = try #require(try stage.appliance.prices().prices.first)
    #expect(price.model == "a<b" && price.terms.input == 430_000)
    _ = try add("model=later&input=1&valid_from=9000-01-01")
    let page = browser.get("/admin/settings?success=prices").body
    for text in ["a&lt;b", "<td>0.43</td><td>1.70</td><td>–</td>", "9000-01-01 (to come)", "00ff"] {
      #expect(page.contains(text), "\(text)")
    }
    for wrong in [
      "model=m", "input=1", "model=m&input=x", "model=m&input=0.0000001", "model=m&input=-1",
      "model=m&output=1", "model=m&cached=1&per_minute=1", "model=m&per_minute=1&per_mb=1",
      "model=m&input=1&valid_from=soon", "model=m&input=1000001",
    ] {
      let refused = try add(wrong)
      #expect(refused.status == .unprocessable && refused.body.contains("Add a price"), "\(wrong)")
    }
    #expect(try stage.appliance.prices().prices.count == 2)
    #expect(try browser.post("/admin/settings/prices", "model=m&input=1").status == .forbidden)
  }

  @Test func usageIsShownAndWhatIsMissingIsSaid() throws {
    let stage = try Stage()
    stage.appliance.state.withLock {
      $0.usage = Usage(
        requests: 1234, tokens: 5_678_901, costNanoEuro: 12_345_000_000, unpriced: 3, unsettled: 0,
        byKey: [.init(name: "<b>", requests: 1, tokens: 2, costNanoEuro: 30_000)], byModel: [])
    }
    var browser = Browser(stage)
    _ = try browser.signIn()
    let page = browser.get("/admin/usage?period=week").body
    for text in ["€12.35", "5,678,901", "1,234", "&lt;b&gt;", "€0.0000", "3 requests used a model"]
    {
      #expect(page.contains(text), "\(text)")
    }
    #expect(page.contains("<option value=\"week\" selected>"))
    #expect(browser.get("/admin/usage?period=odd").body.contains("<option value=\"all\" selected>"))
  }

  @Test func usageNamesKeysThatAreStillThere() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    _ = try browser.signIn()
    _ = try browser.send("/admin/keys/generate", "description=n8n")
    stage.appliance.state.withLock {
      $0.usage.byKey = ["key_0", "key_gone"].map {
        .init(name: $0, requests: 1, tokens: 1, costNanoEuro: 1)
      }
    }
    let page = browser.get("/admin/usage").body
    #expect(page.contains("<td>n8n</td>") && page.contains("<td>key_gone</td>"))
  }

  @Test func developmentIsSaidOnEveryPage() throws {
    var browser = Browser(try Stage())
    _ = try browser.signIn()
    for path in [
      "/admin/login", "/admin", "/admin/settings", "/admin/usage", "/admin/attestation",
      "/admin/about",
    ] {
      #expect(browser.get(path).body.contains("<strong>Not attested.</strong>"), "\(path)")
    }
    #expect(!Browser(try Stage(isProduction: true)).get("/admin/login").body.contains("banner"))
  }

  @Test func theAttestationPageSaysWhatIsProvenAndHowToCheckIt() throws {
    let stage = try Stage(isProduction: true)
    var browser = Browser(stage)
    _ = try browser.signIn()
    let steps = [
      GateRecord.Step(name: "kernel-log", state: "PASS", detail: "SEV <SNP>", token: ""),
      GateRecord.Step(name: "measurement", state: "NOT PROVEN", detail: "00ff", token: ""),
    ]
    stage.appliance.state.withLock {
      $0.attestation = GateRecord(
        gate: "passed", token: nil, time: "2026-11-22T12:00:00Z", platform: "snp", steps: steps)
    }
    let page = browser.get("/admin/attestation").body
    #expect(page.contains("The gate is open") && page.contains("SEV &lt;SNP&gt;"))
    #expect(page.contains("<td>NOT PROVEN</td><td>measurement</td>"))
    #expect(page.contains("pmctl verify https://"))
    #expect(page.contains(" --platform snp --expect-file"))
  }

  @Test func theAttestationPageSaysWhyTheGateIsShut() throws {
    let stage = try Stage(isProduction: true)
    var browser = Browser(stage)
    _ = try browser.signIn()
    stage.appliance.state.withLock { ($0.attestation.gate, $0.attestation.token) = ("x", "debug") }
    let page = browser.get("/admin/attestation").body
    #expect(page.contains("<code>debug</code>") && !page.contains("The gate is open"))
    stage.appliance.state.withLock { $0.fails = .unreachable(errno: 111) }
    let failed = browser.get("/admin/attestation")
    #expect(failed.status == .badGateway && failed.body.contains("pmctl does not answer"))
  }

  @Test func theSettingsPageAnswersWithoutCore() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    _ = try browser.signIn()
    stage.appliance.state.withLock { $0.fails = .unreachable(errno: 111) }
    let page = browser.get("/admin/settings")
    #expect(page.status == .ok && page.body.contains("pmctl does not answer"))
    #expect(browser.get("/admin").status == .badGateway)
  }

  @Test func pagesStaySmall() throws {
    let stage = try Stage()
    var browser = Browser(stage)
    _ = try browser.signIn()
    for _ in 0..<120 {
      _ = try stage.appliance.makeKey(CoreControl.NewKey())
    }
    let page = browser.get("/admin").body
    #expect(page.utf8.count < 100_000)
    #expect(page.contains("/admin?page=3"))
    let last = browser.get("/admin?page=3").body
    #expect(last.contains("key_119") && !last.contains("\"/admin/keys/key_0/revoke\""))
  }

  @Test func theStyleSheetNeedsNoSession() throws {
    let style = Browser(try Stage()).get("/admin/static/style.css")
    #expect(style.status == .ok && style.mayBeStored)
  }
}
