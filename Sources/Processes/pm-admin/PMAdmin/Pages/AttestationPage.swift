/// What the machine has found out about itself, and how a customer finds it out without us.
struct AttestationPage {
  var attestation: GateRecord
  /// Where clients reach the appliance.
  var baseURL: String

  var content: HTML {
    """
    <h1>Attestation</h1>
    <section>
    <h2>\(attestation.isPassed ? "The gate is open" : "The gate: \(attestation.gate)")</h2>
    \(meaning)
    </section>
    \(check)
    \(steps)
    """
  }

  private var meaning: HTML {
    if attestation.isPassed {
      return """
        <p>At \(attestation.time) this machine showed to itself that its TLS key lives in a \
        genuine AMD SEV-SNP machine, and opened its ports. It does so again every hour.</p>
        <p>What a line below calls NOT PROVEN or SKIP was not shown, and counts as nothing. Which \
        software runs here is shown only to somebody who knows what to expect.</p>
        """
    }
    guard let token = attestation.token else {
      return """
        <p>No hardware evidence was checked, and this appliance proves nothing to anybody. In the \
        development profile that is always so.</p>
        """
    }
    return """
      <p>At \(attestation.time) the evidence of this machine did not hold (<code>\(token)</code>), \
      and no public port is open. On the machine, <code>pmctl why gate</code> says what that means \
      and what to do.</p>
      """
  }

  /// A page of the appliance convinces nobody of the appliance.
  private var check: HTML {
    let platform = attestation.platform.map { " --platform \($0)" } ?? ""
    return """
      <section>
      <h2>How a customer checks it</h2>
      <p>Nobody should believe this page. From a machine of their own, customers ask for fresh \
      evidence that AMD's chip has signed, and compare it with the TLS key of their own \
      connection:</p>
      <pre><code>pmctl verify \(baseURL)\(platform) --expect-file release.json</code></pre>
      <p>The file names what a release must measure. The README tells how to do the same in a \
      hundred lines of Python, without any program of ours.</p>
      </section>
      """
  }

  private var steps: HTML {
    if attestation.steps.isEmpty { return .empty }
    let rows = attestation.steps.map { step -> HTML in
      """
      <tr><td>\(step.state)</td><td>\(step.name)</td><td>\(step.detail)</td>\
      <td>\(step.token)</td></tr>
      """
    }
    return """
      <section>
      <h2>What the gate saw</h2>
      <div class="wide"><table>
      <thead><tr><th>State</th><th>Step</th><th>Seen</th><th>Token</th></tr></thead>
      <tbody>
      \(rows)
      </tbody>
      </table></div>
      </section>
      """
  }
}
