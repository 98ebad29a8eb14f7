"""What an event costs the checkout that it comes from, beside what one would write by hand."""
