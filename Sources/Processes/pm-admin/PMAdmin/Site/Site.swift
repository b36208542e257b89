internal import PMCrypto
internal import PMHTTP
internal import PMLog
internal import PMSystem
internal import Synchronization

/// The admin pages: a request in, an answer out. Called from several threads at once; what they
/// share is under one lock, which is never held while anybody is waited for.
final class Site: Sendable {
  /// What reaches beyond this process, handed in so that tests can play it.
  struct Surroundings: Sendable {
    var appliance: any Appliance
    /// Looks at a password; nil if none is set, and then the pages are off.
    var isPassword: (@Sendable ([UInt8]) -> Bool)?
    var random: @Sendable (Int) -> [UInt8]
    var now: @Sendable () -> Instant
    var log: @Sendable (AdminEvent) -> Void
  }

  struct State {
    var sessions = Sessions()
    var throttle = SignInThrottle()
    var tokens: FormTokens
  }

  let surroundings: Surroundings
  let layout: Layout
  /// The name that clients use; nil to take the one that the browser used.
  private let publicName: String?
  private let state: Mutex<State>

  init(
    _ surroundings: Surroundings, isProduction: Bool, publicName: String?
  ) throws(CryptoError) {
    self.surroundings = surroundings
    layout = Layout(isProduction: isProduction)
    self.publicName = publicName
    let hash = try KeyedHash(key: surroundings.random(Digest256.byteCount).span)
    state = Mutex(State(tokens: FormTokens(start: surroundings.now(), hash: hash)))
  }

  func withState<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
    state.withLock { body(&$0) }
  }

  var appliance: any Appliance { surroundings.appliance }

  func baseURL(_ request: Request) -> String { "https://\(publicName ?? request.host)" }

  /// Ends sessions and forgets keys whose time is over.
  func sweep() {
    let now = surroundings.now()
    withState { $0.sessions.sweep(at: now) }
  }

  func answer(_ request: Request) -> Response {
    guard let isPassword = surroundings.isPassword else { return .text(.forbidden, Self.disabled) }
    switch request.path {
    case StyleSheet.path: return styleSheet(request)
    case "/admin/login": return signIn(request, isPassword)
    case "/admin/logout": return signOut(request)
    default: break
    }
    guard let session = session(of: request) else { return .redirect("/admin/login") }
    guard let place = Place(path: request.path) else {
      return .page(layout.notice("Not found", "There is no such page."), .notFound)
    }
    guard place.takes(request.method) else {
      return notAllowed(place.changesSomething ? "POST" : "GET, HEAD")
    }
    if place.changesSomething {
      if let refusal = refusal(of: request, binding: session.binding) { return refusal }
    }
    do throws(ControlError) {
      return try answer(request, place, session)
    } catch {
      return failure(error)
    }
  }

  private func answer(
    _ request: Request, _ place: Place, _ session: SignedIn
  ) throws(ControlError) -> Response {
    switch place {
    case .keys: try keysPage(request, session)
    case .settings: settingsPage(request, session)
    case .usage: try usagePage(request)
    case .attestation: attestationPage(request)
    case .documentation:
      .page(
        layout.page(
          "Documentation", tab: .documentation, DocumentationPage(baseURL: baseURL(request)).content
        ))
    case .generate: try generateKey(request, session)
    case .saveLimits: try saveLimits(request, session)
    case .addPrice: try addPrice(request, session)
    case .keyPage(let id): try keyPage(id, session)
    case .key(let id, let act): try change(id, act, request, session)
    }
  }

  static let disabled = """
    Admin UI disabled. Set ADMIN_PASSWORD environment variable to enable. \
    Or name a file with the password in admin.passwordFile of the configuration.
    """

  private func styleSheet(_ request: Request) -> Response {
    guard request.method == .get || request.method == .head else { return notAllowed("GET, HEAD") }
    var response = Response(.ok, .style, StyleSheet.text)
    response.mayBeStored = true
    return response
  }

  func notAllowed(_ methods: StaticString) -> Response {
    var response = Response.text(.methodNotAllowed, "Method not allowed")
    response.allow = methods
    return response
  }

  /// What a person is told when core or pmctl did not do what was asked.
  private func failure(_ error: ControlError) -> Response {
    switch error {
    case .unreachable(let number):
      surroundings.log(.coreUnreachable(errno: number))
      return .page(
        layout.notice(
          "Core does not answer",
          "Nothing was changed. On the machine, pmctl status and pmctl why core tell more."),
        .badGateway)
    case .notUnderstood:
      return .page(
        layout.notice("Core answered in an unknown way", "Are all programs of one build?"),
        .badGateway)
    case .unknownKey:
      return .page(layout.notice("Not found", "There is no key of this id."), .notFound)
    case .refused:
      return .page(
        layout.notice("Refused", "Core refused this. Nothing was changed."), .unprocessable)
    }
  }
}
