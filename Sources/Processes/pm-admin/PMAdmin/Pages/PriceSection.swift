internal import PMSystem
internal import PMWire

/// The prices in force and to come, and the form that adds one.
struct PriceSection {
  /// Nil if core did not answer.
  var list: CoreControl.PriceList?
  var form = PriceForm()
  var isSaved = false
  var now: WallTime
  var token: () -> String

  var content: HTML {
    guard let list else { return .empty }
    let saved: HTML = "<p class=\"saved\" role=\"status\">The price was added.</p>"
    return """
      <section>
      <h2>Prices</h2>
      \(isSaved ? saved : .empty)
      <p class="quiet">Euro net of VAT: for 1,000,000 tokens, for a minute of audio, for 1,048,576 \
      bytes. A price is never changed, only followed by another; what was charged stays. \
      Table \(list.table), SHA-256 <code>\(list.digest)</code></p>
      \(table(list.current(at: now)))
      \(addForm)
      </section>
      """
  }

  private func table(_ prices: [CoreControl.PriceEntry]) -> HTML {
    let rows = prices.map { price -> HTML in
      """
      <tr><td>\(price.model)</td><td>\(price.validFrom.civil.date)\
      \(price.isInForce ? "" : " (to come)")</td><td>\(Self.euro(price.terms.input))</td>\
      <td>\(Self.euro(price.terms.output))</td><td>\(Self.euro(price.terms.cached))</td>\
      <td>\(Self.euro(price.terms.perMinute))</td><td>\(Self.euro(price.terms.perMegabyte))</td>\
      <td>\(Self.standing(price))</td></tr>
      """
    }
    return """
      <div class="wide"><table>
      <thead><tr><th>Model</th><th>From</th><th>Input</th><th>Output</th><th>Cached</th>\
      <th>Minute</th><th>MB</th><th>Standing</th></tr></thead>
      <tbody>
      \(rows)
      </tbody>
      </table></div>
      """
  }

  private static func euro(_ price: Int64?) -> String {
    price.map { Euro.text(microEuro: $0) } ?? "–"
  }

  private static func standing(_ price: CoreControl.PriceEntry) -> String {
    price.standing == "unconfirmed"
      ? "third-party reading, confirm with the vendor" : price.standing
  }

  private var addForm: HTML {
    let rows = PriceForm.Field.allCases.map { field -> HTML in
      """
      <label for="price_\(field.rawValue)">\(field.label)</label>
      <input id="price_\(field.rawValue)" name="\(field.rawValue)" \
      placeholder="\(field.placeholder)" value="\(form.typed[field] ?? "")">
      \(Piece.fault(form.faults[field]))
      """
    }
    return """
      <h3>Add a price</h3>
      <form method="post" action="/admin/settings/prices">
      \(Piece.token(token()))
      \(rows)
      <button type="submit">Add Price</button>
      </form>
      """
  }
}
