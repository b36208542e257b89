internal import PMSystem
internal import PMWire

extension Site {
  /// Answers even when core or pmctl does not: that is what the page is for.
  func settingsPage(_ request: Request, _ session: SignedIn) -> Response {
    settingsPage(saved: request.query.text("success"), session, .ok)
  }

  /// `limits` and `prices` are forms as they were typed; `saved` names the one that was taken.
  func settingsPage(
    limits: LimitsForm? = nil, prices: PriceForm = PriceForm(), saved: String? = nil,
    _ session: SignedIn, _ status: Response.Status
  ) -> Response {
    let token = { self.token(for: session.binding) }
    let page = SettingsPage(
      standing: try? appliance.standing(),
      limits: limits ?? LimitsForm(showing: try? appliance.limits()),
      isSaved: saved == "rate_limits",
      prices: PriceSection(
        list: try? appliance.prices(), form: prices, isSaved: saved == "prices", now: .now(),
        token: token),
      token: token)
    return .page(layout.page(Tab.settings.rawValue, tab: .settings, page.content), status)
  }

  func saveLimits(_ request: Request, _ session: SignedIn) throws(ControlError) -> Response {
    let typed = LimitsForm(request.form, over: try appliance.limits())
    guard let limits = typed.limits else {
      return settingsPage(limits: typed, session, .unprocessable)
    }
    try appliance.setLimits(limits)
    return .redirect("/admin/settings?success=rate_limits")
  }

  /// Asks pmctl only: core may be down because the gate is shut.
  func attestationPage(_ request: Request) -> Response {
    guard let attestation = try? appliance.attestation() else {
      return .page(
        layout.notice(
          "pmctl does not answer", "On the machine, pmctl attest and pmctl status tell more."),
        .badGateway)
    }
    let page = AttestationPage(attestation: attestation, baseURL: baseURL(request))
    return .page(layout.page(Tab.attestation.rawValue, tab: .attestation, page.content))
  }

  func usagePage(_ request: Request) throws(ControlError) -> Response {
    let word = request.query.text("period") ?? Period.month.rawValue
    let period = Period(rawValue: word) ?? .all
    var usage = try appliance.usage(period)
    // A deleted key has no name any more; its id stands in for it.
    let keys = (try? appliance.keys()) ?? []
    let names = Dictionary(keys.map { ($0.id, $0.description) }, uniquingKeysWith: { $1 })
    for index in usage.byKey.indices {
      if let name = names[usage.byKey[index].name], !name.isEmpty { usage.byKey[index].name = name }
    }
    let page = UsagePage(period: period, usage: usage)
    return .page(layout.page(Tab.usage.rawValue, tab: .usage, page.content))
  }
}
