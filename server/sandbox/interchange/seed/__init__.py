"""The first day of Northlight's storefront at Interchange. `storefront.create` makes the tables and fills them."""
