"""Pure rules that several services share. Imports only `libs.schemas` and libraries that do no I/O."""
