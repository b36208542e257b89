extension Site {
  /// Enters a price; what was charged before stays as it is.
  func addPrice(_ request: Request, _ session: SignedIn) throws(ControlError) -> Response {
    let typed = PriceForm(request.form)
    guard let price = typed.price else {
      return settingsPage(prices: typed, session, .unprocessable)
    }
    try appliance.addPrice(price)
    return .redirect("/admin/settings?success=prices")
  }
}
