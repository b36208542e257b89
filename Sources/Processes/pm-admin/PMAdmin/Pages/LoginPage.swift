/// The sign-in form.
struct LoginPage {
  var token: String
  var fault: Fault?
  /// Nil if pmctl did not answer.
  var standing: Standing?

  /// What may be said above the form; the query only picks from these.
  enum Fault: String, CaseIterable {
    case invalidPassword = "Invalid password"
  }

  var content: HTML {
    """
    <section class="login">
    <h1>Privatemode</h1>
    \(Piece.fault(fault?.rawValue))
    <form method="post" action="/admin/login">
    \(Piece.token(token))
    <label for="password">Password</label>
    <input id="password" type="password" name="password" \
    autocomplete="current-password" required autofocus>
    <button type="submit">Sign In</button>
    </form>
    <p class="quiet">Privatemode E2E Encrypted: attestation \(standing?.gate ?? "unknown"), \
    vendor \(standing?.vendorWords ?? "unknown")</p>
    </section>
    """
  }
}
