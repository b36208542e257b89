internal import PMWire

/// What is true of the appliance now, the request limits, and the prices.
struct SettingsPage {
  /// Nil if pmctl did not answer.
  var standing: Standing?
  var limits: LimitsForm
  var isSaved = false
  var prices: PriceSection
  var token: () -> String

  var content: HTML {
    """
    <h1>Settings</h1>
    \(connection)
    \(services)
    \(limitsForm)
    \(prices.content)
    """
  }

  private var connection: HTML {
    let isUp = standing?.vendorHealth == VendorHealth.up.rawValue
    return """
      <section>
      <h2>Connection</h2>
      <p><span class="dot \(isUp ? "good" : "bad")" aria-hidden="true"></span> \
      Vendor: \(standing?.vendorWords ?? "unknown, pmctl does not answer")</p>
      <p>Attestation: \(standing?.gate ?? "unknown, pmctl does not answer")</p>
      </section>
      """
  }

  private var services: HTML {
    guard let standing else { return .empty }
    let rows = standing.services.map { service -> HTML in
      """
      <tr><td>\(service.name)</td><td>\(service.state)</td><td>\(service.restarts)</td>\
      <td>\(service.lastEnd)</td></tr>
      """
    }
    return """
      <section>
      <h2>Status</h2>
      <div class="wide"><table>
      <thead><tr><th>Service</th><th>State</th><th>Restarts</th><th>Last end</th></tr></thead>
      <tbody>
      \(rows)
      </tbody>
      </table></div>
      </section>
      """
  }

  private var limitsForm: HTML {
    let saved: HTML =
      "<p class=\"saved\" role=\"status\">Rate limits saved. They are in force now.</p>"
    let rows = LimitsForm.Field.allCases.map { field -> HTML in
      """
      <label for="\(field.rawValue)">\(field.label)</label>
      <input id="\(field.rawValue)" name="\(field.rawValue)" inputmode="numeric" \
      value="\(limits.typed[field] ?? "")">
      \(Piece.fault(limits.faults[field]))
      """
    }
    return """
      <section>
      <h2>Rate Limit Settings</h2>
      \(isSaved ? saved : .empty)
      <form method="post" action="/admin/settings/rate-limits">
      \(Piece.token(token()))
      \(rows)
      <button type="submit">Save Rate Limits</button>
      </form>
      </section>
      """
  }
}

extension Standing {
  /// `up`, or `up (stand-in)`.
  var vendorWords: String {
    (vendorHealth ?? "not seen yet") + (hasStandIn ? " (stand-in: the answers are invented)" : "")
  }
}
