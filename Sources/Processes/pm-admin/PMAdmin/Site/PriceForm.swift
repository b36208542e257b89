internal import PMJSON
internal import PMSystem
internal import PMWire

/// The form that sets a price: reads what was typed, or says beside which field it is wrong.
struct PriceForm {
  enum Field: String, CaseIterable, Hashable {
    case model, input, output, cached
    case perMinute = "per_minute"
    case perMegabyte = "per_mb"
    case validFrom = "valid_from"
    case source

    var label: String {
      switch self {
      case .model: "Model"
      case .input: "Input (€ per 1,000,000 tokens)"
      case .output: "Output (€ per 1,000,000 tokens)"
      case .cached: "Cached input (€ per 1,000,000 tokens)"
      case .perMinute: "Audio (€ per minute)"
      case .perMegabyte: "Audio (€ per 1,048,576 bytes)"
      case .validFrom: "Valid from (UTC)"
      case .source: "Source"
      }
    }
    /// What an empty field means.
    var placeholder: String {
      switch self {
      case .model, .source: ""
      case .cached: "as input"
      case .input, .output, .perMinute, .perMegabyte: "no price"
      case .validFrom: "now"
      }
    }
  }

  var typed: [Field: String] = [:]
  var faults: [Field: String] = [:]
  /// Nil if there are faults.
  private(set) var price: CoreControl.NewPrice?

  /// An empty form.
  init() {}

  init(_ form: Form) {
    for field in Field.allCases { typed[field] = form.text(field.rawValue) ?? "" }
    var price = CoreControl.NewPrice(model: typed[.model] ?? "", source: typed[.source] ?? "")
    if price.model.isEmpty { faults[.model] = "The vendor's name of the model." }
    price.terms.input = euro(.input)
    price.terms.output = euro(.output)
    price.terms.cached = euro(.cached)
    price.terms.perMinute = euro(.perMinute)
    price.terms.perMegabyte = euro(.perMegabyte)
    if let text = typed[.validFrom], !text.isEmpty {
      price.validFrom = WallTime(json: .string(text))
      if price.validFrom == nil { faults[.validFrom] = "A date, such as 2027-01-31." }
    }
    if faults.isEmpty { checkTogether(price) }
    if faults.isEmpty { self.price = price }
  }

  /// Nil for an empty field, and for a wrong one, whose fault is noted.
  private mutating func euro(_ field: Field) -> Int64? {
    guard let text = typed[field], !text.isEmpty else { return nil }
    let price = Euro.microEuro(text)
    if price.map({ CoreControl.PriceTerms.range.contains($0) }) != true {
      faults[field] = "Euro with a point and at most six decimals, such as 0.43."
      return nil
    }
    return price
  }

  /// The rule of core, said beside the field that breaks it.
  private mutating func checkTogether(_ price: CoreControl.NewPrice) {
    do throws(CoreControl.Fault) {
      try price.terms.check()
    } catch {
      if let field = Field(rawValue: error.member) { faults[field] = error.text }
    }
  }
}
