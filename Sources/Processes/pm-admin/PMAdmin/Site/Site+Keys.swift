internal import PMHTTP
internal import PMWire

extension Site {
  func keysPage(_ request: Request, _ session: SignedIn) throws(ControlError) -> Response {
    var page = try filledPage(request, session)
    // Only a request that shows the page takes the key.
    if request.method == .get, let id = request.query.text("show_key").flatMap({ KeyID($0) }) {
      let now = surroundings.now()
      let secret = withState { $0.sessions.takeNewKey(id, in: session.number, at: now) }
      page.issued = secret.map { IssuedKey(id: id, secret: $0) }
    }
    return .page(layout.page(Tab.keys.rawValue, tab: .keys, page.content))
  }

  private func filledPage(
    _ request: Request, _ session: SignedIn
  ) throws(ControlError) -> KeysPage {
    let keys = try appliance.keys()
    let pages: ClosedRange<Int64> = 1...max(1, Int64(keys.count))
    return KeysPage(
      keys: keys,
      pageNumber: Int(request.query.text("page").flatMap { WholeNumber.read($0, in: pages) } ?? 1),
      windowSeconds: try? appliance.limits().globalSeconds, baseURL: baseURL(request),
      token: { self.token(for: session.binding) })
  }

  func generateKey(_ request: Request, _ session: SignedIn) throws(ControlError) -> Response {
    let typed = KeyWishForm(request.form)
    guard let wish = typed.wish else {
      var page = try filledPage(request, session)
      page.refused = KeysPage.Refusal(
        description: typed.typed[.description] ?? "", days: typed.typed[.days] ?? "",
        rateLimit: typed.typed[.rateLimit] ?? "", faults: typed.faults)
      return .page(layout.page(Tab.keys.rawValue, tab: .keys, page.content), .unprocessable)
    }
    let issued = try appliance.makeKey(wish)
    let now = surroundings.now()
    withState {
      $0.sessions.keep(newKey: issued.secret, id: issued.id, in: session.number, at: now)
    }
    return .redirect("/admin?show_key=\(issued.id.text)")
  }

  func change(
    _ id: KeyID, _ act: Place.KeyAct, _ request: Request
  ) throws(ControlError) -> Response {
    switch act {
    case .revoke: try appliance.revokeKey(id)
    case .enable: try appliance.enableKey(id)
    case .delete: try appliance.deleteKey(id)
    case .rateLimit:
      let text = request.form.text("rate_limit") ?? ""
      if request.form.bytes("clear") != nil {
        try appliance.setRateLimit(of: id, to: nil)
      } else if let limit = WholeNumber.read(text, in: RequestWindow.requestsRange) {
        try appliance.setRateLimit(of: id, to: limit)
      } else {
        let sentence = "Rate limit: \(WholeNumber.demand(RequestWindow.requestsRange))"
        return .page(layout.notice("Nothing was changed", sentence), .unprocessable)
      }
    }
    return .redirect("/admin")
  }
}
