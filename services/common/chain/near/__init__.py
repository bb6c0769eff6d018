"""NEAR behind the Chain port: borsh and signing, JSON-RPC, what its errors mean."""
