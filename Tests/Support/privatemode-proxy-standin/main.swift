import VendorStandIn

runStandIn()
