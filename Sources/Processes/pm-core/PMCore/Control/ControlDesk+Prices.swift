import PMCrypto
import PMJSON
import PMSystem
import PMWire

extension ControlDesk {
  func priceList(at time: WallTime) -> CoreControl.PriceList {
    let prices = accounts.prices
    let rows = prices.rows.sorted {
      ($0.model, $0.validFrom, $0.row) < ($1.model, $1.validFrom, $1.row)
    }
    return CoreControl.PriceList(
      prices: rows.map { $0.entry(isInForce: prices.row(model: $0.model, at: time) == $0) },
      table: Int64(prices.table), digest: (try? prices.digest())?.hex ?? "")
  }

  func addPrice(
    _ body: [UInt8], _ caller: Caller, _ reply: @escaping Reply
  ) throws(CoreControl.Fault) {
    let new = try CoreControl.NewPrice(body: body)
    let (prices, modelDesk) = (accounts.prices, accounts.modelDesk)
    let model = accounts.models.enter(new.model)
    guard model != .unlisted else { throw CoreControl.Fault("model", .wrongType) }
    // A price under a second name would never be asked for.
    guard prices.model(model, at: caller.time) == model else {
      throw CoreControl.Fault("model", .isAlias)
    }
    if let end = new.validTo, end <= new.validFrom ?? caller.time {
      throw CoreControl.Fault("valid_to", .notAfter("valid_from"))
    }
    guard prices.rows.count < PriceTable.rowsMax else { return reply(.busy) }
    perform(reply) { () throws(KeyRefusal) in
      let row = PriceRow(
        row: prices.nextRow, model: new.model, validFrom: new.validFrom ?? caller.time,
        validTo: new.validTo, input: new.terms.input, output: new.terms.output,
        cached: new.terms.cached, perMinute: new.terms.perMinute,
        perMegabyte: new.terms.perMegabyte, standing: .operator, source: new.source)
      // What is in force when the row begins to be.
      let before = prices.row(of: model, at: row.validFrom)?.entry(isInForce: true)
      let audit = caller.audit(
        "price", new.model, new.reason, new.json, before: before?.json,
        after: row.entry(isInForce: true).json)
      var changes: [LedgerChange] = [.addPrice(row), audit]
      let digest = try? PriceTable.digest(of: prices.rows + [row])
      if let digest, let change = prices.change(for: digest, at: caller.time) {
        changes.append(change)
      }
      return Outcome(
        changes: changes,
        apply: {
          prices.add(row)
          if let digest { prices.adopt(digest) }
          modelDesk.pricesChanged(at: caller.time)
        },
        answer: {
          let isInForce = prices.row(of: model, at: caller.time) == row
          return ControlResponse(201, .json(row.entry(isInForce: isInForce).json))
        })
    }
  }
}

extension PriceRow {
  fileprivate func entry(isInForce: Bool) -> CoreControl.PriceEntry {
    var entry = CoreControl.PriceEntry(
      row: Int64(row), model: model, validFrom: validFrom, standing: standing.word, source: source,
      isInForce: isInForce)
    entry.validTo = validTo
    (entry.terms.input, entry.terms.output, entry.terms.cached) = (input, output, cached)
    (entry.terms.perMinute, entry.terms.perMegabyte) = (perMinute, perMegabyte)
    return entry
  }
}
