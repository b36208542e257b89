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
      windowSeconds: (try? appliance.limits())?[.globalSeconds], baseURL: baseURL(request),
      token: { self.token(for: session.binding) })
  }

  func generateKey(_ request: Request, _ session: SignedIn) throws(ControlError) -> Response {
    let form = KeyForm<CoreControl.NewKey>(request.form, KeyField.ofNewKey)
    guard let wish = form.request else {
      var page = try filledPage(request, session)
      page.form = form
      return .page(layout.page(Tab.keys.rawValue, tab: .keys, page.content), .unprocessable)
    }
    let issued = try appliance.makeKey(wish)
    let now = surroundings.now()
    withState {
      $0.sessions.keep(newKey: issued.secret, id: issued.id, in: session.number, at: now)
    }
    return .redirect("/admin?show_key=\(issued.id.text)")
  }

  func keyPage(
    _ id: KeyID, _ session: SignedIn, _ form: KeyForm<CoreControl.KeyChange>? = nil
  ) throws(ControlError) -> Response {
    guard let key = try appliance.keys().first(where: { $0.id == id.text }) else {
      throw .unknownKey
    }
    let page = KeyPage(
      key: key, form: form ?? KeyForm(showing: key, KeyField.ofChange),
      token: { self.token(for: session.binding) })
    return .page(
      layout.page("Key \(id.text)", tab: .keys, page.content), form == nil ? .ok : .unprocessable)
  }

  func change(
    _ id: KeyID, _ act: Place.KeyAct, _ request: Request, _ session: SignedIn
  ) throws(ControlError) -> Response {
    switch act {
    case .revoke: try appliance.revokeKey(id)
    case .enable: try appliance.enableKey(id)
    case .delete: try appliance.deleteKey(id)
    case .change:
      let form = KeyForm<CoreControl.KeyChange>(request.form, KeyField.ofChange)
      guard let change = form.request else { return try keyPage(id, session, form) }
      try appliance.changeKey(id, change)
      return .redirect("/admin/keys/\(id.text)")
    case .rateLimit:
      let text = request.form.text("rate_limit") ?? ""
      var change = CoreControl.KeyChange()
      if request.form.bytes("clear") != nil {
        change.limits[.requests] = .clear
      } else if let limit = WholeNumber.read(text, in: RequestWindow.requestsRange) {
        change.limits[.requests] = .set(limit)
      } else {
        let sentence = "Rate limit: \(WholeNumber.demand(RequestWindow.requestsRange))"
        return .page(layout.notice("Nothing was changed", sentence), .unprocessable)
      }
      try appliance.changeKey(id, change)
    }
    return .redirect("/admin")
  }
}
