"""What services agree on with each other and with the outside: primitives only, nothing imported but pydantic."""
