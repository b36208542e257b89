internal import PMWire

/// Sums of a period, and where they come from.
struct UsagePage {
  var period: Period
  var usage: Usage

  var content: HTML {
    """
    <h1>Usage &amp; Costs</h1>
    <form method="get" action="/admin/usage">
    <label for="period">Period</label>
    <select id="period" name="period">
    \(Period.allCases.map { Piece.option($0.rawValue, $0.label, isChosen: $0 == period) })
    </select>
    <button type="submit">Show</button>
    </form>
    <div class="tiles">
    \(tile("Total Spend", Euro.text(nanoEuro: usage.costNanoEuro, decimals: 2)))
    \(tile("Tokens Used", grouped(usage.tokens)))
    \(tile("API Requests", grouped(usage.requests)))
    </div>
    \(unsure)
    \(table("Usage by API Key", "Key", usage.byKey))
    \(table("Usage by Model", "Model", usage.byModel))
    """
  }

  private func tile(_ label: String, _ value: String) -> HTML {
    "<div class=\"tile\"><p class=\"quiet\">\(label)</p><p class=\"figure\">\(value)</p></div>"
  }

  /// What the sums leave out, so that nobody takes them for more than they are.
  private var unsure: HTML {
    var pieces: [HTML] = []
    if usage.unpriced > 0 {
      pieces.append(
        """
        <p class="fault">\(usage.unpriced) requests used a model without a price and are not in \
        Total Spend.</p>
        """)
    }
    if usage.unsettled > 0 {
      pieces.append(
        """
        <p class="fault">\(usage.unsettled) requests ended unseen, as in a crash, and are charged \
        as unsettled.</p>
        """)
    }
    return HTML(joining: pieces)
  }

  private func table(_ title: String, _ column: String, _ rows: [Usage.Row]) -> HTML {
    if rows.isEmpty {
      return "<section><h2>\(title)</h2><p>No usage in this period.</p></section>"
    }
    let sorted = rows.sorted { ($0.costNanoEuro, $0.tokens) > ($1.costNanoEuro, $1.tokens) }
    let lines = sorted.map { row -> HTML in
      """
      <tr><td>\(row.name)</td><td class="number">\(grouped(row.tokens))</td>\
      <td class="number">\(grouped(row.requests))</td>\
      <td class="number">\(Euro.text(nanoEuro: row.costNanoEuro, decimals: 4))</td></tr>
      """
    }
    return """
      <section>
      <h2>\(title)</h2>
      <div class="wide"><table>
      <thead><tr><th>\(column)</th><th>Tokens</th><th>Requests</th><th>Cost</th></tr></thead>
      <tbody>
      \(lines)
      </tbody>
      </table></div>
      </section>
      """
  }

  /// `1,234,567`
  private func grouped(_ number: Int64) -> String {
    var text = ""
    for (index, digit) in String(number.magnitude).reversed().enumerated() {
      if index > 0, index % 3 == 0 { text.insert(",", at: text.startIndex) }
      text.insert(digit, at: text.startIndex)
    }
    return number < 0 ? "-" + text : text
  }
}
