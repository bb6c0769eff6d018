"""Signed messages on their own: a DefusePayload of near/intents, read and judged as that contract does.

The authority is near/intents (MIT) at 32a7836f825e8c984c26149f4456793ec7e3d49a, contracts/defuse: `core/src/payload`,
`core/src/intents`, `core/src/engine` and `src/contract`. What is stricter here than there is a rule of kind policy.
"""
