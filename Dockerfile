# The server over HTTP, as a user without rights on a root file system that nobody writes to.
# Python is the oldest that the project takes, which is the one that its tests run with.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE* ./
COPY server server/
COPY tools tools/
COPY prompts prompts/
RUN python3 -m venv /opt/adops-mcp \
 && /opt/adops-mcp/bin/pip wheel --no-cache-dir --quiet --no-deps --wheel-dir /wheels . \
 && /opt/adops-mcp/bin/pip install --no-cache-dir --quiet "$(echo /wheels/*.whl)[postgresql,telemetry]"

FROM python:3.11-slim
LABEL io.modelcontextprotocol.server.name="io.github.SET--OWNER/adops-mcp"
COPY --from=build /opt/adops-mcp /opt/adops-mcp
RUN install -d -o 10001 -g 10001 -m 0700 /data
ENV PATH=/opt/adops-mcp/bin:$PATH
ENV PYTHONUNBUFFERED=1
ENV ADOPS_DATA_DIR=/data
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8760
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8760/healthz', timeout=3)"]
ENTRYPOINT ["adops-mcp"]
CMD ["serve", "--http", "--host", "0.0.0.0"]
