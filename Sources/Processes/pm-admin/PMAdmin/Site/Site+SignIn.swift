internal import PMHTTP
internal import PMLog
internal import PMSystem

/// The live session that a request belongs to.
struct SignedIn {
  let number: UInt64
  /// What form tokens of this session are bound to.
  var binding: String { "session \(number)" }
}

extension Site {
  /// Sign-in tokens belong to an address, for there is no session yet.
  private static func binding(_ address: InternetAddress) -> String {
    "sign-in \(address.subscriber.text)"
  }

  func session(of request: Request) -> SignedIn? {
    guard let ticket = request.cookie.flatMap({ Sessions.Ticket($0) }) else { return nil }
    let now = surroundings.now()
    let isLive = withState { $0.sessions.isLive(ticket, from: request.client, at: now) }
    return isLive ? SignedIn(number: ticket.number) : nil
  }

  func token(for binding: String) -> String {
    let (random, now) = (surroundings.random(16), surroundings.now())
    return withState { $0.tokens.issue(for: binding, random: random, at: now) }
  }

  /// Why a form must not be acted on; nil if it came from a page of ours.
  func refusal(of request: Request, binding: String) -> Response? {
    guard request.isFromOwnPages else { return .text(.forbidden, "Cross-site request refused") }
    let token = request.form.text("csrf_token") ?? ""
    let now = surroundings.now()
    guard withState({ $0.tokens.spend(token, for: binding, at: now) }) else {
      return .text(.forbidden, "Invalid or expired CSRF token")
    }
    return nil
  }

  func signIn(_ request: Request, _ isPassword: @Sendable ([UInt8]) -> Bool) -> Response {
    switch request.method {
    case .get, .head: loginPage(request)
    case .post: tryPassword(request, isPassword)
    default: notAllowed("GET, HEAD, POST")
    }
  }

  private func loginPage(_ request: Request) -> Response {
    let page = LoginPage(
      token: token(for: Self.binding(request.client)),
      fault: request.query.text("error").flatMap { LoginPage.Fault(rawValue: $0) },
      standing: try? appliance.standing())
    return .page(layout.page("Sign In", page.content))
  }

  private func tryPassword(
    _ request: Request, _ isPassword: @Sendable ([UInt8]) -> Bool
  ) -> Response {
    let binding = Self.binding(request.client)
    if let refusal = refusal(of: request, binding: binding) { return refusal }
    let start = surroundings.now()
    let admission = withState { $0.throttle.begin(request.client, at: start) }
    if case .locked(let seconds) = admission {
      surroundings.log(.signInLocked)
      var response = Response.text(
        .tooManyRequests, "Too many login attempts. Please try again later.")
      response.retryAfterSeconds = seconds
      return response
    }
    let password = request.form.bytes("password") ?? []
    guard password.count <= AdminLimits.passwordBytesMax, isPassword(password) else {
      surroundings.log(.signInFailed)
      return .redirect("/admin/login?error=Invalid+password")
    }
    surroundings.log(.signedIn)
    return welcome(request, begunAt: start)
  }

  private func welcome(_ request: Request, begunAt start: Instant) -> Response {
    let secret = surroundings.random(Sessions.Ticket.secretBytes)
    let now = surroundings.now()
    let ticket = withState { state in
      state.throttle.withdraw(request.client, begunAt: start)
      return state.sessions.start(for: request.client, secret: secret, at: now)
    }
    var response = Response.redirect("/admin")
    response.cookie = .set(ticket.text)
    return response
  }

  /// Also by GET, as the predecessor had it; but no other site can sign anybody out.
  func signOut(_ request: Request) -> Response {
    guard [.get, .head, .post].contains(request.method) else {
      return notAllowed("GET, HEAD, POST")
    }
    guard request.isFromOwnPages, request.method != .head else { return .redirect("/admin/login") }
    if let session = session(of: request) {
      withState { $0.sessions.end(number: session.number) }
    }
    var response = Response.redirect("/admin/login")
    response.cookie = .clear
    return response
  }
}
