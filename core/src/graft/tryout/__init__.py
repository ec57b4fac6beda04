"""A first look at labelled images: what is wrong with them, how far features alone get, and what to do next."""
