internal import PMSystem
internal import PMWire

/// Making keys, and the table of those there are.
struct KeysPage {
  var keys: [CoreControl.KeyEntry]
  /// Counted from 1.
  var pageNumber = 1
  var windowSeconds: Int64?
  /// A key that was just made.
  var issued: IssuedKey?
  /// What was typed, when it could not be taken.
  var form = KeyForm<CoreControl.NewKey>(showing: nil, KeyField.ofNewKey)
  var baseURL: String
  /// A fresh token for each form.
  var token: () -> String

  private var pageCount: Int {
    max(1, (keys.count + AdminLimits.keysPerPage - 1) / AdminLimits.keysPerPage)
  }
  private var shownKeys: ArraySlice<CoreControl.KeyEntry> {
    keys.dropFirst((min(pageNumber, pageCount) - 1) * AdminLimits.keysPerPage)
      .prefix(AdminLimits.keysPerPage)
  }

  var content: HTML {
    """
    <h1>API Keys</h1>
    \(issued.map { newKeyBox($0) } ?? .empty)
    \(generateForm)
    \(table)
    \(UsageExample(baseURL: baseURL).content)
    """
  }

  private func newKeyBox(_ issued: IssuedKey) -> HTML {
    """
    <section class="new-key" role="status">
    <h2>New API key</h2>
    <p>Copy it now. It will not be shown again.</p>
    <p><code>\(issued.secret)</code></p>
    <p class="quiet">Key ID \(issued.id.text)</p>
    </section>
    """
  }

  private var generateForm: HTML {
    """
    <section>
    <h2>Generate API Key</h2>
    <form method="post" action="/admin/keys/generate">
    \(Piece.token(token()))
    \(form.inputs([.description, .days, .term(.limit(.requests))]))
    \(form.furtherInputs)
    <button type="submit">Generate</button>
    </form>
    </section>
    """
  }

  private var table: HTML {
    if keys.isEmpty {
      return """
        <section>
        <h2>Active Keys</h2>
        <p>There are no API keys yet. Generate the first one with the form above.</p>
        </section>
        """
    }
    return """
      <section>
      <h2>Active Keys</h2>
      <p class="quiet">Times are UTC. \(windowSeconds.map { Self.window($0) } ?? .empty)</p>
      <div class="wide"><table>
      <thead><tr><th>Key ID</th><th>Description</th><th>Status</th><th>Rate Limit</th>\
      <th>Created</th><th>Expires</th><th>Actions</th></tr></thead>
      <tbody>
      \(shownKeys.map { row($0) })
      </tbody>
      </table></div>
      \(pageLinks)
      </section>
      """
  }

  private static func window(_ seconds: Int64) -> HTML {
    "Rate limits are requests per \(seconds) s."
  }

  private func row(_ key: CoreControl.KeyEntry) -> HTML {
    """
    <tr>
    <td><a href="/admin/keys/\(key.id)"><code class="id">\(key.id)</code></a></td>
    <td>\(key.description)</td>
    <td><span class="state \(key.status.rawValue)">\(key.status.label)</span></td>
    <td>\(rateLimitForms(key))</td>
    <td>\(key.createdAt.civil.dateAndMinute)</td>
    <td>\(key.expiresAt.map { $0.civil.dateAndMinute } ?? "Never")</td>
    <td>\(actions(key))</td>
    </tr>
    """
  }

  private func rateLimitForms(_ key: CoreControl.KeyEntry) -> HTML {
    let action = "/admin/keys/\(key.id)/rate-limit"
    let clear: HTML = """
      <form method="post" action="\(action)">\(Piece.token(token()))\
      <button name="clear" value="1" title="Back to the default" aria-label="Clear the rate limit">\
      &times;</button></form>
      """
    return """
      <form method="post" action="\(action)">\(Piece.token(token()))\
      <input class="short" name="rate_limit" inputmode="numeric" aria-label="Rate limit" \
      value="\(key.limits.requests.map { String($0) } ?? "")" placeholder="none">\
      <button>Set</button></form>
      \(key.limits.requests == nil ? .empty : clear)
      """
  }

  private func actions(_ key: CoreControl.KeyEntry) -> HTML {
    let path = "/admin/keys/\(key.id)"
    let verb: (path: String, label: String) =
      key.isEnabled ? ("revoke", "Revoke") : ("enable", "Enable")
    return """
      <form method="post" action="\(path)/\(verb.path)">\(Piece.token(token()))\
      <button>\(verb.label)</button></form>
      <details><summary>Delete</summary>
      <form method="post" action="\(path)/delete">\(Piece.token(token()))\
      <button class="danger">Delete for good</button></form></details>
      """
  }

  private var pageLinks: HTML {
    guard pageCount > 1 else { return .empty }
    let links = (1...pageCount).map { number -> HTML in
      number == pageNumber
        ? "<a href=\"/admin?page=\(number)\" aria-current=\"page\">\(number)</a>"
        : "<a href=\"/admin?page=\(number)\">\(number)</a>"
    }
    return "<p class=\"pages\">Page \(links)</p>"
  }
}

extension CoreControl.KeyStatus {
  /// The words of the status column.
  var label: String {
    switch self {
    case .enabled: "Active"
    case .disabled: "Revoked"
    case .expired: "Expired"
    }
  }
}
