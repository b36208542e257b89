internal import PMSystem
internal import PMWire

/// One key: what is known of it, and the form that changes it.
struct KeyPage {
  var key: CoreControl.KeyEntry
  var form: KeyForm<CoreControl.KeyChange>
  var token: () -> String

  var content: HTML {
    """
    <h1>Key \(key.id)</h1>
    \(facts)
    <section>
    <h2>Change</h2>
    <form method="post" action="/admin/keys/\(key.id)/change">
    \(Piece.token(token()))
    \(form.inputs(KeyField.ofChange))
    <button type="submit">Save</button>
    </form>
    </section>
    <p><a href="/admin">API Keys</a></p>
    """
  }

  private var facts: HTML {
    let oldSecrets = key.secretEnds.compactMap(\.self).map { end -> HTML in
      "<p>The old secret works until \(end.civil.rfc3339).</p>"
    }
    return """
      <section>
      <p><span class="state \(key.status.rawValue)">\(key.status.label)</span>, \
      kept in \(key.source), made \(key.createdAt.civil.dateAndMinute) UTC, \
      last used \(key.lastUsed.map { $0.civil.date } ?? "never").</p>
      \(oldSecrets)
      </section>
      """
  }
}
