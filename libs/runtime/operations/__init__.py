"""Operations on services: migrations, rebuild and replay. Imports all other folders of the runtime."""
