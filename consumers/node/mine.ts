// How a team that writes TypeScript uses consumer.mjs: `process` is yours, and each type of event has its payload.
// `npm run check` checks the types.

import { createHandler } from "./consumer.mjs";

export const handler = createHandler({
  process: async (event) => {
    switch (event.type) {
      case "Kyc":
        console.log(`KYC with ${event.payload.Holders?.length ?? 0} holders`);
        break;
      case "AccountsDetail": {
        // The text of a LosslessNumber is exact.
        const balance: string | undefined = event.payload.Accounts?.[0]?.Balance?.Current?.value;
        console.log(`${event.deliveryId} has ${balance === undefined ? "no balance" : "a balance"}`);
        break;
      }
      case "Unknown":
        console.log(`${event.type} of ${event.body.length} bytes`);
    }
  },
});
